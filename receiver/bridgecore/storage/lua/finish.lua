-- Ends the first event of a record that the caller has taken, and gives it the next one;
-- without a next one the record is given back in the same step, so that an event which
-- arrives now finds it free, and the caller gets the first event of another record.
-- ARGV: record, token, key, 'done' or 'dead', error, model, event name, event id, timestamp,
--       lease in milliseconds, 'stop' or '', the other record or '', most events in the live
--       stream, then field, JSON value of each payload field.
-- Returns {the time, whether reporting must start, the next event or false}; false if the lease
-- is lost.
local record, token, key, state, err = unpack(ARGV, 1, 5)
local model, event, event_id, timestamp = unpack(ARGV, 6, 9)
local lease, stop, other, max_streamed = ARGV[10], ARGV[11] == 'stop', ARGV[12], ARGV[13]
local FIELDS = 14
if redis.call('GET', P .. ':lease:' .. record) ~= token then
  return false
end

local time = now()
local handled_at = stamp(time)

-- What Odoo says about the record is so even if a handler failed; a replayed event is
-- older than what is known.
local function note_latest()
  local latest = P .. ':record:' .. record
  if timestamp < (redis.call('HGET', latest, '_timestamp') or '') then
    return
  end
  if event == 'unlink' then
    redis.call('DEL', latest)
  end
  local values = {'_timestamp', timestamp, '_event', event}
  for i = FIELDS, #ARGV do
    values[#values + 1] = ARGV[i]
  end
  in_parts(values, 'HSET', latest)
  redis.call('ZADD', P .. ':records', handled_at, record)
end

local function note_progress()
  local sync = P .. ':sync:' .. model
  if redis.call('HINCRBY', sync, 'events', 1) == 1 then
    redis.call('SADD', P .. ':models', model)
  end
  if timestamp >= (redis.call('HGET', sync, 'last_timestamp') or '') then
    redis.call('HSET', sync, 'last_event_id', event_id, 'last_timestamp', timestamp,
      'updated_at', handled_at)
  else
    redis.call('HSET', sync, 'updated_at', handled_at)
  end
  redis.call('XADD', P .. ':stream', 'MAXLEN', '~', max_streamed, '*', 'key', key, 'record', record)
end

local start_reporting = 0
-- A repeated call, after an answer that got lost, must not end the next event.
if redis.call('LINDEX', P .. ':inbox:' .. record, 0) == key then
  redis.call('LPOP', P .. ':inbox:' .. record)
  redis.call('ZREM', P .. ':queued', key)
  if state == 'dead' then
    redis.call('HSET', P .. ':event:' .. key, 'state', state, 'handled_at', handled_at, 'error', err)
    redis.call('ZADD', P .. ':dead', handled_at, key)
  else
    redis.call('HSET', P .. ':event:' .. key, 'state', state, 'handled_at', handled_at)
  end
  note_latest()
  note_progress()
  start_reporting = report(key)
end

local following = not stop and head(record)
if following then
  redis.call('ZADD', P .. ':due', handled_at, record)
  return {handled_at, start_reporting, following}
end
if stop and redis.call('EXISTS', P .. ':inbox:' .. record) == 1 then
  redis.call('ZADD', P .. ':due', handled_at, record)
else
  redis.call('ZREM', P .. ':due', record)
end
redis.call('DEL', P .. ':lease:' .. record)
return {handled_at, start_reporting, other ~= '' and not stop and take(other, token, lease, time)}
