-- Finds the events of a record among some members of a sorted set of events.
-- ARGV: record, name of the set, position, about how many members this call looks at.
-- Returns {the next position, 0 at the end; key and name of each event in turn}.
local record, set, position, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local page = redis.call('ZSCAN', P .. ':' .. set, position, 'COUNT', count)
local found = {}
for i = 1, #page[2], 2 do
  local key = page[2][i]
  local known = redis.call('HMGET', P .. ':event:' .. key, 'record', 'event')
  if known[1] == record then
    append_pair(found, key, known[2])
  end
end
return {page[1], found}
