-- Claims events and appends them to their records' inboxes, all or none.
-- ARGV: via, most events that may wait, most events that are listed, when the feed was asked,
--       then key, record, model, event name, body of each event.
-- Returns {refused, whether reporting must start, the state each event was found in}.
local via, max_waiting, max_listed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local asked_at = tonumber(ARGV[4])
local full = tonumber(redis.call('GET', P .. ':waiting') or '0') >= max_waiting
local states = {}

-- Odoo takes a given up event out of the feed when it is told. If the feed has it although it
-- was asked later than that, somebody offers the event again. (A push proves nothing: it may be
-- a repeat from before.)
local function found(key)
  local known = redis.call('HMGET', P .. ':event:' .. key, 'state', 'confirmed_at')
  if known[1] == 'dead' and known[2] and tonumber(known[2]) < asked_at then
    return 'offered'
  end
  return known[1] or 'new'
end

for i = 5, #ARGV, 5 do
  local state = full and found(ARGV[i])
  if state == 'new' or state == 'offered' then
    return {1, 0, {}}
  end
end

local time = now()
local start_reporting = 0
for i = 5, #ARGV, 5 do
  local key, record = ARGV[i], ARGV[i + 1]
  local event = P .. ':event:' .. key
  local state = found(key)
  if state == 'new' then
    redis.call('HSET', event, 'via', via, 'record', record, 'event', ARGV[i + 3],
      'accepted_at', stamp(time))
    redis.call('ZADD', P .. ':events', stamp(time), key)
  elseif state == 'offered' then
    -- What its handlers have done stays done. Its next end has to be told anew.
    redis.call('HSET', event, 'attempts', 0)
    redis.call('HINCRBY', event, 'replays', 1)
    redis.call('HDEL', event, 'handled_at', 'confirmed_at')
    redis.call('ZREM', P .. ':dead', key)
    redis.call('ZREM', P .. ':reports', key)
  elseif state ~= 'queued' then
    start_reporting = math.max(start_reporting, report(key))
  end
  if state == 'new' or state == 'offered' then
    redis.call('HSET', event, 'state', 'queued')
    redis.call('SET', P .. ':body:' .. key, ARGV[i + 4])
    redis.call('RPUSH', P .. ':inbox:' .. record, key)
    redis.call('ZADD', P .. ':due', 'NX', stamp(time), record)
    redis.call('INCR', P .. ':waiting')
  end
  states[#states + 1] = state
end
redis.call('ZREMRANGEBYRANK', P .. ':events', 0, -max_listed - 1)
return {0, start_reporting, states}
