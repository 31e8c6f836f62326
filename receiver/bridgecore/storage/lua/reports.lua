-- The first outcomes that Odoo is to be told. ARGV: most of them.
-- Returns of each the key, its place on the list, the event's state and its error.
local found = {}
local members = redis.call('ZRANGE', P .. ':reports', 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #members, 2 do
  local event = redis.call('HMGET', P .. ':event:' .. members[i], 'state', 'error')
  found[#found + 1] = {members[i], members[i + 1], event[1], event[2]}
end
return found
