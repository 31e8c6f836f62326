-- Ends the first event of a record that the caller has taken, and gives it the next one;
-- without a next one the record is given back in the same step, so that an event which
-- arrives now finds it free.
-- ARGV: record, token, key, 'done' or 'dead', error, model, event name, event id, timestamp,
--       then field, JSON value of each payload field.
-- Returns {whether reporting must start, the next event or false}; false if the lease is lost.
local record, token, key, state, err = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local model, event, event_id, timestamp = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
if redis.call('GET', P .. ':lease:' .. record) ~= token then
  return false
end

local start_reporting = 0
-- A repeated call, after an answer that got lost, must not end the next event.
if redis.call('LINDEX', P .. ':inbox:' .. record, 0) == key then
  local time = stamp(now())
  redis.call('LPOP', P .. ':inbox:' .. record)
  redis.call('DECR', P .. ':waiting')
  redis.call('HSET', P .. ':event:' .. key, 'state', state, 'handled_at', time)
  if state == 'dead' then
    redis.call('HSET', P .. ':event:' .. key, 'error', err)
    redis.call('ZADD', P .. ':dead', time, key)
  end

  -- What Odoo says about the record is so even if a handler failed; a replayed event is
  -- older than what is known.
  local latest = P .. ':record:' .. record
  if timestamp >= (redis.call('HGET', latest, '_timestamp') or '') then
    if event == 'unlink' then
      redis.call('DEL', latest)
    end
    redis.call('HSET', latest, '_timestamp', timestamp, '_event', event)
    for i = 10, #ARGV, 2 do
      redis.call('HSET', latest, ARGV[i], ARGV[i + 1])
    end
  end
  local sync = P .. ':sync:' .. model
  redis.call('HSET', sync, 'updated_at', time)
  redis.call('HINCRBY', sync, 'events', 1)
  if timestamp >= (redis.call('HGET', sync, 'last_timestamp') or '') then
    redis.call('HSET', sync, 'last_event_id', event_id, 'last_timestamp', timestamp)
  end
  start_reporting = report(key)
end

local following = head(record)
if following then
  redis.call('ZADD', P .. ':due', stamp(now()), record)
else
  redis.call('ZREM', P .. ':due', record)
  redis.call('DEL', P .. ':lease:' .. record)
end
return {start_reporting, following}
