-- Writes down what became of a batch of events, gives its records back, and takes the next batch,
-- all in the same step: an event that arrives now finds its record free, or is in the next batch.
-- ARGV: token, token of the next batch, lease in milliseconds, most events of the next batch (0:
--       take none), most events in the live stream, JSON of the records of the batch, JSON of what
--       became of its events (`_description` in batches.py), of each event the latest values of its
--       record, records to take the next batch from.
-- Returns {whether reporting must start, the records that another worker has, those that still
-- wait, the time, the next batch: of the given records, then of those that still wait}.
local token, next_token, lease, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local max_streamed, asked, events = ARGV[5], cjson.decode(ARGV[6]), cjson.decode(ARGV[7])
local time = now()

local leases, ends = {}, {}
for i, record in ipairs(asked) do
  leases[i], ends[record] = P .. ':lease:' .. record, 0
end
for _, event in ipairs(events) do
  ends[event.record] = ends[event.record] + 1
end
local owners = of_each(leases, 'MGET')

local records, mine, lost, given_back = {}, {}, {}, {}
for i, record in ipairs(asked) do
  local owner = owners[leases[i]]
  if owner and owner ~= token and owner ~= next_token then
    lost[#lost + 1] = record
  else
    records[#records + 1] = record
    mine[record] = owner == token
    if owner ~= next_token then
      given_back[#given_back + 1] = leases[i]  -- or nobody has it
    end
  end
end
-- As the first write, because it needs no memory: a full Redis refuses a script whose first write
-- does, and what ends events must go on.
in_parts(given_back, 'DEL')

-- Of each inbox what may have come to its end, and one more.
local inboxes, waits = {}, {}
for _, record in ipairs(records) do
  inboxes[record] = redis.call('LRANGE', P .. ':inbox:' .. record, 0, ends[record])
  for _, key in ipairs(inboxes[record]) do
    waits[key] = true
  end
end

-- What is written down for all events together.
local ended, failures, dead, latest, seen, models = {}, {}, {}, {}, {}, {}
local later = {}  -- when records may be tried again

-- What Odoo says about the record is so even if a handler failed; a replayed event is
-- older than what is known.
local timestamps = {}
local function note_latest(record, moment, timestamp, values)
  local name = P .. ':latest:' .. record
  local before = timestamps[record] or redis.call('GETRANGE', name, 0, #timestamp - 1)
  if timestamp >= before then
    timestamps[record] = timestamp
    append(latest, name, values)
    append(seen, moment, record)
  end
end

local function note_progress(record, id, timestamp)
  local model = record:match('^[^:]+')
  local progress = models[model] or {events = 0, timestamp = ''}
  progress.events = progress.events + 1
  if timestamp >= progress.timestamp then
    progress.id, progress.timestamp = id, timestamp
  end
  models[model] = progress
end

-- Success is one even if the lease has ended, as long as nobody has the record. A failure is not:
-- somebody may have handled the event meanwhile. A repeated call, after an answer that got lost,
-- finds its leases given back and its events gone.
local function settle(event, values)
  local key, record = event.key, event.record
  if event.outcome == 'failed' then
    if mine[record] then
      redis.call('HSET', P .. ':event:' .. key, 'state', 'queued', unpack(event.memory))
      later[record] = stamp(time + event.delay)
    end
  elseif waits[key] and (mine[record] or event.outcome == 'done') then
    waits[key] = nil
    redis.call('HSET', P .. ':event:' .. key, 'state', event.outcome, 'handled_at', event.moment,
      unpack(event.memory))
    redis.call('XADD', P .. ':stream', 'MAXLEN', '~', max_streamed, '*', 'key', key,
      'record', record)
    ended[#ended + 1] = key
    if event.outcome == 'dead' then
      failures[key] = true
      append(dead, event.moment, key)
    end
    local id, timestamp = key:match('^(.-)@(.*)$')
    note_latest(record, event.moment, timestamp, values)
    note_progress(record, id, timestamp)
  end
end

for i, event in ipairs(events) do
  settle(event, ARGV[7 + i])
end

-- Takes what has come to its end out of an inbox; whether something is left there.
local emptied = {}
local function clear(record)
  local name, inbox, first = P .. ':inbox:' .. record, inboxes[record], 1
  while inbox[first] and not waits[inbox[first]] do
    first = first + 1
  end
  if first > #inbox and #inbox <= ends[record] then
    emptied[#emptied + 1] = name
    return false
  end
  if first > 1 then
    redis.call('LTRIM', name, first - 1, -1)
  end
  for i = first + 1, #inbox do
    if not waits[inbox[i]] then
      redis.call('LREM', name, 1, inbox[i])
    end
  end
  return true
end

local left, due, idle = {}, {}, {}
for _, record in ipairs(records) do
  if not clear(record) then
    idle[#idle + 1] = record
  elseif later[record] then
    append(due, later[record], record)
  else
    if mine[record] then
      append(due, stamp(time), record)
    end
    left[#left + 1] = record
  end
end
in_parts(emptied, 'DEL')
in_parts(idle, 'ZREM', P .. ':due')
in_parts(due, 'ZADD', P .. ':due')
in_parts(ended, 'ZREM', P .. ':queued')
in_parts(dead, 'ZADD', P .. ':dead')
in_parts(latest, 'MSET')
in_parts(seen, 'ZADD', P .. ':records')
for model, progress in pairs(models) do
  local sync = P .. ':sync:' .. model
  if redis.call('HINCRBY', sync, 'events', progress.events) == progress.events then
    redis.call('SADD', P .. ':models', model)
  end
  if progress.timestamp >= (redis.call('HGET', sync, 'last_timestamp') or '') then
    redis.call('HSET', sync, 'last_event_id', progress.id, 'last_timestamp', progress.timestamp)
  end
  redis.call('HSET', sync, 'updated_at', stamp(time))
end

local candidates = {unpack(ARGV, 8 + #events)}
for _, record in ipairs(left) do
  candidates[#candidates + 1] = record
end
return {report(ended, failures), lost, left, stamp(time), take(candidates, next_token, lease, most, time)}
