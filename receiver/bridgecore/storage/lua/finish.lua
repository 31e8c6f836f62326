-- Ends the first event of a record that the caller has taken, and gives it the next one;
-- without a next one the record is given back in the same step, so that an event which
-- arrives now finds it free, and the caller gets the first event of another record.
-- ARGV: record, token, key, 'done' or 'dead', error, model, event name, event id, timestamp,
--       microseconds of handling, lease in milliseconds, 'stop' or '', the other record or '',
--       retention of the record's latest values in milliseconds, most events in the live stream,
--       then field, JSON value of each payload field.
-- Returns {whether reporting must start, the next event or false}; false if the lease is lost.
local record, token, key, state, err = unpack(ARGV, 1, 5)
local model, event, event_id, timestamp = unpack(ARGV, 6, 9)
local handling, lease, stop, other = tonumber(ARGV[10]), ARGV[11], ARGV[12] == 'stop', ARGV[13]
local retention, max_streamed, FIELDS = ARGV[14], ARGV[15], 16
if redis.call('GET', P .. ':lease:' .. record) ~= token then
  return false
end

local time = now()

-- Upper bounds in microseconds; figures.py reads them from the names.
local BOUNDS = {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
  5000000, 10000000, 30000000, 60000000, 300000000, 3600000000}

local function observe(histogram, microseconds)
  local bound = 'inf'
  for _, candidate in ipairs(BOUNDS) do
    if microseconds <= candidate then
      bound = stamp(candidate)
      break
    end
  end
  count(histogram .. ':' .. bound, 1)
  count(histogram .. ':sum', microseconds)
end

-- What Odoo says about the record is so even if a handler failed; a replayed event is
-- older than what is known.
local function note_latest()
  local latest = P .. ':record:' .. record
  if timestamp >= (redis.call('HGET', latest, '_timestamp') or '') then
    if event == 'unlink' then
      redis.call('DEL', latest)
    end
    redis.call('HSET', latest, '_timestamp', timestamp, '_event', event)
    for i = FIELDS, #ARGV, 1000 do  -- a call takes a limited number of arguments
      redis.call('HSET', latest, unpack(ARGV, i, math.min(i + 999, #ARGV)))
    end
    redis.call('PEXPIRE', latest, retention)
    redis.call('ZADD', P .. ':records', stamp(time), record)
  end
end

local function note_progress()
  local sync = P .. ':sync:' .. model
  if redis.call('HINCRBY', sync, 'events', 1) == 1 then
    redis.call('SADD', P .. ':models', model)
  end
  redis.call('HSET', sync, 'updated_at', stamp(time))
  if timestamp >= (redis.call('HGET', sync, 'last_timestamp') or '') then
    redis.call('HSET', sync, 'last_event_id', event_id, 'last_timestamp', timestamp)
  end
  redis.call('XADD', P .. ':stream', 'MAXLEN', '~', max_streamed, '*', 'key', key, 'record', record)
end

local start_reporting = 0
-- A repeated call, after an answer that got lost, must not end the next event.
if redis.call('LINDEX', P .. ':inbox:' .. record, 0) == key then
  redis.call('LPOP', P .. ':inbox:' .. record)
  redis.call('ZREM', P .. ':queued', key)
  redis.call('HSET', P .. ':event:' .. key, 'state', state, 'handled_at', stamp(time))
  if state == 'dead' then
    redis.call('HSET', P .. ':event:' .. key, 'error', err)
    redis.call('ZADD', P .. ':dead', stamp(time), key)
  end
  note_latest()
  note_progress()
  count(state, 1)
  observe('handling', handling)
  observe('latency', time - (redis.call('HGET', P .. ':event:' .. key, 'accepted_at') or time))
  start_reporting = report(key)
end

local following = not stop and head(record)
if following then
  redis.call('ZADD', P .. ':due', stamp(time), record)
  return {start_reporting, following}
end
if redis.call('EXISTS', P .. ':inbox:' .. record) == 1 then
  redis.call('ZADD', P .. ':due', stamp(time), record)
else
  redis.call('ZREM', P .. ':due', record)
end
redis.call('DEL', P .. ':lease:' .. record)
return {start_reporting, other ~= '' and not stop and take(other, token, lease, time)}
