-- Claims events and appends them to their records' inboxes, all or none.
-- ARGV: via, most events that may wait, most events that are listed,
--       then key, record, model, event name, body of each event.
-- Returns {refused, whether reporting must start, the state each event was found in}.
local via, max_waiting, max_listed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', P .. ':waiting') or '0') >= max_waiting
local states = {}
for i = 4, #ARGV, 5 do
  local state = redis.call('HGET', P .. ':event:' .. ARGV[i], 'state')
  if full and not state then
    return {1, 0, {}}
  end
end

local time = now()
local start_reporting = 0
for i = 4, #ARGV, 5 do
  local key, record = ARGV[i], ARGV[i + 1]
  local state = redis.call('HGET', P .. ':event:' .. key, 'state')
  if not state then
    redis.call('HSET', P .. ':event:' .. key, 'state', 'queued', 'via', via, 'record', record,
      'event', ARGV[i + 3], 'accepted_at', stamp(time))
    redis.call('SET', P .. ':body:' .. key, ARGV[i + 4])
    redis.call('RPUSH', P .. ':inbox:' .. record, key)
    redis.call('ZADD', P .. ':due', 'NX', stamp(time), record)
    redis.call('ZADD', P .. ':events', stamp(time), key)
    redis.call('INCR', P .. ':waiting')
  elseif state ~= 'queued' then
    start_reporting = math.max(start_reporting, report(key))
  end
  states[#states + 1] = state or 'new'
end
redis.call('ZREMRANGEBYRANK', P .. ':events', 0, -max_listed - 1)
return {0, start_reporting, states}
