-- Forgets what is too old or too much, oldest first, a limited number of each kind.
-- Nothing that still has work to be done is ever forgotten: what is `kept` or `remembered` has
-- been handled and Odoo knows.
-- ARGV: most of each kind at once; contents: age, number; memories: age, number, age up to which
--       the number does not count; latest values of records: age, number. Ages in microseconds.
-- Returns how many {contents, memories, records} were forgotten.
local limit, time = tonumber(ARGV[1]), now()

-- The oldest members of a sorted set by time that are older than `age`, or too many and older
-- than `spared`.
local function surplus(name, age, excess, spared)
  local found = {}
  local members = redis.call('ZRANGE', P .. ':' .. name, 0, limit - 1, 'WITHSCORES')
  for i = 1, #members, 2 do
    local old = time - tonumber(members[i + 1])
    if not (old > age or (#found < excess and old > spared)) then
      break
    end
    found[#found + 1] = members[i]
  end
  return found
end

local function size(name)
  return redis.call('ZCARD', P .. ':' .. name)
end

local contents = surplus('kept', tonumber(ARGV[2]), size('kept') - tonumber(ARGV[3]), -1)
for _, key in ipairs(contents) do
  local event = redis.call('HMGET', P .. ':event:' .. key, 'record', 'event')
  redis.call('DEL', P .. ':body:' .. key)
  redis.call('ZADD', P .. ':remembered', redis.call('ZSCORE', P .. ':kept', key), key)
  redis.call('ZREM', P .. ':kept', key)
  if event[1] then
    redis.call('ZREM', P .. ':events', key .. ' ' .. event[1] .. ' ' .. event[2])
  end
end

local excess = size('kept') + size('remembered') - tonumber(ARGV[5])
local memories = surplus('remembered', tonumber(ARGV[4]), excess, tonumber(ARGV[6]))
for _, key in ipairs(memories) do
  redis.call('DEL', P .. ':event:' .. key)
  redis.call('ZREM', P .. ':remembered', key)
  redis.call('ZREM', P .. ':reports', key)  -- Odoo knows; it would be told again after a repeat
end

local records = surplus('records', tonumber(ARGV[7]), size('records') - tonumber(ARGV[8]), -1)
for _, record in ipairs(records) do
  redis.call('DEL', P .. ':latest:' .. record)
  redis.call('ZREM', P .. ':records', record)
end
return {#contents, #memories, #records}
