-- Forgets contents, memories and latest values that are too old, and the oldest of them if they are
-- too many. It forgets finished events only: `kept` and `remembered` hold no others.
-- ARGV: most of each kind that this call forgets; contents: greatest age, greatest number;
--       memories: greatest age, greatest number, age up to which the number does not matter;
--       latest values: greatest age, greatest number. Ages are in microseconds.
-- Returns how many {contents, memories, latest values} it forgot.
allow_when_full()
local limit, time = tonumber(ARGV[1]), now()

-- Returns the members of a sorted set by time that are older than `age`, and up to `excess` of the
-- oldest members, if these are older than `spared`.
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
  redis.call('HDEL', P .. ':event:' .. key, 'error')
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
  redis.call('ZREM', P .. ':reports', key)  -- a duplicate may have put it there again
end

local records = surplus('records', tonumber(ARGV[7]), size('records') - tonumber(ARGV[8]), -1)
for _, record in ipairs(records) do
  redis.call('DEL', P .. ':latest:' .. record)
  redis.call('ZREM', P .. ':records', record)
end
return {#contents, #memories, #records}
