-- Writes down what became of a batch of events, gives its records back, and takes the next batch,
-- all in the same step: an event that arrives now finds its record free, or is in the next batch.
-- ARGV: token, token of the next batch, lease in milliseconds, most events of the next batch (0:
--       take none), most events in the live stream, JSON of the records of the batch, JSON of what
--       became of its events (`_description` in batches.py), records to take the next batch from.
-- Returns {whether reporting must start, the records that another worker has, those that still
-- wait, the time, the next batch: of the given records, then of those that still wait}.
local token, next_token, lease, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local max_streamed = ARGV[5]
local time = now()
local records, mine, others, lost, left = {}, {}, {}, {}, {}
for _, record in ipairs(cjson.decode(ARGV[6])) do
  local owner = redis.call('GET', P .. ':lease:' .. record)
  if owner and owner ~= token and owner ~= next_token then
    lost[#lost + 1], others[record] = record, true
  else
    records[#records + 1] = record
    if owner == token then
      mine[record] = true
      -- As the first write, because it needs no memory: a full Redis refuses a script whose first
      -- write does, and what ends events must go on.
      redis.call('DEL', P .. ':lease:' .. record)
    end
  end
end

-- What is done for all events together: most of a script's time goes into calls.
local ended, dead, seen, progress = {}, {}, {}, {}
local later = {}  -- when records may be tried again

-- What Odoo says about the record is so even if a handler failed; a replayed event is
-- older than what is known.
local function note_latest(event)
  local latest = P .. ':record:' .. event.record
  if event.timestamp < (redis.call('HGET', latest, '_timestamp') or '') then
    return
  end
  if event.event == 'unlink' then
    redis.call('DEL', latest)
  end
  append(event.values, '_timestamp', event.timestamp)
  append(event.values, '_event', event.event)
  in_parts(event.values, 'HSET', latest)
  append(seen, event.moment, event.record)
end

local function note_progress(event)
  local newest = progress[event.model]
  if not newest then
    progress[event.model] = {events = 1, id = event.id, timestamp = event.timestamp}
    return
  end
  newest.events = newest.events + 1
  if event.timestamp >= newest.timestamp then
    newest.id, newest.timestamp = event.id, event.timestamp
  end
end

-- Success is one even if the lease has ended, as long as nobody has the record. A failure is not:
-- somebody may have handled the event meanwhile. A repeated call, after an answer that got lost,
-- finds its leases given back and its events gone.
local function settle(event)
  if event.outcome == 'failed' then
    if mine[event.record] then
      redis.call('HSET', P .. ':event:' .. event.key, 'state', 'queued', unpack(event.memory))
      later[event.record] = stamp(time + event.delay)
    end
  elseif (mine[event.record] or event.outcome == 'done' and not others[event.record])
      and redis.call('LREM', P .. ':inbox:' .. event.record, 1, event.key) == 1 then
    redis.call('HSET', P .. ':event:' .. event.key, 'state', event.outcome, 'handled_at',
      event.moment, unpack(event.memory))
    redis.call('XADD', P .. ':stream', 'MAXLEN', '~', max_streamed, '*', 'key', event.key,
      'record', event.record)
    ended[#ended + 1] = event.key
    if event.outcome == 'dead' then
      append(dead, event.moment, event.key)
    end
    note_latest(event)
    note_progress(event)
  end
end

for _, event in ipairs(cjson.decode(ARGV[7])) do
  settle(event)
end

for _, record in ipairs(records) do
  if redis.call('EXISTS', P .. ':inbox:' .. record) == 0 then
    redis.call('ZREM', P .. ':due', record)
  elseif later[record] then
    redis.call('ZADD', P .. ':due', later[record], record)
  else
    if mine[record] then
      redis.call('ZADD', P .. ':due', stamp(time), record)
    end
    left[#left + 1] = record
  end
end
in_parts(ended, 'ZREM', P .. ':queued')
in_parts(dead, 'ZADD', P .. ':dead')
in_parts(seen, 'ZADD', P .. ':records')
for model, newest in pairs(progress) do
  local sync = P .. ':sync:' .. model
  if redis.call('HINCRBY', sync, 'events', newest.events) == newest.events then
    redis.call('SADD', P .. ':models', model)
  end
  if newest.timestamp >= (redis.call('HGET', sync, 'last_timestamp') or '') then
    redis.call('HSET', sync, 'last_event_id', newest.id, 'last_timestamp', newest.timestamp)
  end
  redis.call('HSET', sync, 'updated_at', stamp(time))
end

local candidates = {unpack(ARGV, 8)}
for _, record in ipairs(left) do
  candidates[#candidates + 1] = record
end
return {report(ended), lost, left, stamp(time), take(candidates, next_token, lease, most, time)}
