-- Writes the results of a batch, gives its leases back, and claims the next batch, all in one step:
-- an event that arrives now finds its record free, or is in the next batch.
-- ARGV: token, token of the next batch, lease in milliseconds, most events of the next batch (0
--       claims none), most entries of the live stream, 1 if memory is short, JSON list of the
--       records of the batch, JSON list of the results (`_result_for_script` in batches.py), of
--       each result the latest values of its record, records of the next batch.
-- Returns {1 if the caller must send the message to confirm, records that were lost to another
-- worker, records of the batch that are still due, the time, the answer of `claim` for the next
-- batch: from the given records, then from those that are still due}.
local token, next_token, lease, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local max_streamed, is_short = ARGV[5], ARGV[6] == '1'
local batch_records, results = cjson.decode(ARGV[7]), cjson.decode(ARGV[8])
local time = now()

local leases, results_of = {}, {}  -- how many results each record has
for i, record in ipairs(batch_records) do
  leases[i], results_of[record] = P .. ':lease:' .. record, 0
end
for _, result in ipairs(results) do
  results_of[result.record] = results_of[result.record] + 1
end
local owners = read_each(leases, 'MGET')

-- `records` are the records that no other worker has. `mine` tells of which of them this worker
-- still has the lease; the leases of the others have ended.
local records, mine, lost, given_back = {}, {}, {}, {}
for i, record in ipairs(batch_records) do
  local owner = owners[leases[i]]
  if owner and owner ~= token and owner ~= next_token then
    lost[#lost + 1] = record
  else
    records[#records + 1] = record
    mine[record] = owner == token
    if owner ~= next_token then
      given_back[#given_back + 1] = leases[i]
    end
  end
end
allow_when_full()
in_parts(given_back, 'DEL')

-- Of each inbox, as many events as the record has results, and one more.
local inboxes, waits = {}, {}
for _, record in ipairs(records) do
  inboxes[record] = redis.call('LRANGE', P .. ':inbox:' .. record, 0, results_of[record])
  for _, key in ipairs(inboxes[record]) do
    waits[key] = true
  end
end

-- What is written for all events together, further below.
local settled, given_up, dead, latest, changed, models = {}, {}, {}, {}, {}, {}
local retry_at = {}  -- of each record with a failed event, the time of its next attempt

-- Tells whether an event was committed before another one. Neither its id nor its time is enough: a
-- restored database gives lower ids to later events, and a clock that was wrong gives times that are
-- far in the future. Only if both are lower the event is older.
local function is_older(id, timestamp, other_id, other_timestamp)
  return id < other_id and timestamp < other_timestamp
end

-- Notes the latest values of a record, also if the handlers failed: they are true in Odoo. An event
-- older than the stored values, such as a replayed one, is passed over.
local known = {}
local function note_latest(record, moment, id, timestamp, values)
  local name = P .. ':latest:' .. record
  local before = known[record]
  if not before then
    local stored, stored_id = redis.call('GETRANGE', name, 0, 63):match('^(%S*) ?%a*/?(%d*)')
    before = {tonumber(stored_id) or math.huge, stored}  -- earlier versions stored no id
  end
  if not is_older(id, timestamp, before[1], before[2]) then
    known[record] = {id, timestamp}
    append_pair(latest, name, values)
    append_pair(changed, moment, record)
  end
end

-- Notes how far the events of a model have been handled.
local function note_sync_state(record, id, timestamp)
  local model = record:match('^[^:]+')
  local state = models[model] or {events = 0, id = 0, timestamp = ''}
  state.events = state.events + 1
  if not is_older(id, timestamp, state.id, state.timestamp) then
    state.id, state.timestamp = id, timestamp
  end
  models[model] = state
end

-- Writes one result. If the lease has ended but no other worker has the record, a success counts. A
-- failure does not: another worker may have handled the event meanwhile. If the call is repeated
-- because its answer was lost, the leases are given back and the events have left the inboxes.
local function settle_event(result, values)
  local key, record = result.key, result.record
  if result.outcome == 'failed' then
    if mine[record] then
      redis.call('HSET', P .. ':event:' .. key, 'state', 'queued', unpack(result.memory))
      retry_at[record] = as_text(time + result.delay)
    end
  elseif waits[key] and (mine[record] or result.outcome == 'done') then
    waits[key] = nil
    redis.call('HSET', P .. ':event:' .. key, 'state', result.outcome, 'handled_at', result.moment,
      unpack(result.memory))
    redis.call('XADD', P .. ':stream', 'MAXLEN', '~', max_streamed, '*', 'key', key,
      'record', record)
    settled[#settled + 1] = key
    if is_short and result.outcome == 'done' then
      -- Its content is only kept for reading. Handling must not need more memory than it frees.
      redis.call('DEL', P .. ':body:' .. key)
    end
    if result.outcome == 'dead' then
      given_up[key] = true
      append_pair(dead, result.moment, key)
    end
    local id, timestamp = key:match('^(.-)@(.*)$')
    note_latest(record, result.moment, tonumber(id), timestamp, values)
    note_sync_state(record, tonumber(id), timestamp)
  end
end

for i, result in ipairs(results) do
  settle_event(result, ARGV[8 + i])
end

-- Removes the settled events from an inbox, and tells whether it has other events.
local emptied = {}
local function clear(record)
  local name, inbox, first = P .. ':inbox:' .. record, inboxes[record], 1
  while inbox[first] and not waits[inbox[first]] do
    first = first + 1
  end
  if first > #inbox and #inbox <= results_of[record] then
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

local still_due, due, idle = {}, {}, {}
for _, record in ipairs(records) do
  if not clear(record) then
    idle[#idle + 1] = record
  elseif retry_at[record] then
    append_pair(due, retry_at[record], record)
  else
    if mine[record] then
      append_pair(due, as_text(time), record)
    end
    still_due[#still_due + 1] = record
  end
end
in_parts(emptied, 'DEL')
in_parts(idle, 'ZREM', P .. ':due')
in_parts(due, 'ZADD', P .. ':due')
in_parts(settled, 'ZREM', P .. ':queued')
in_parts(dead, 'ZADD', P .. ':dead')
in_parts(latest, 'MSET')
in_parts(changed, 'ZADD', P .. ':records')
for model, state in pairs(models) do
  local sync = P .. ':sync:' .. model
  if redis.call('HINCRBY', sync, 'events', state.events) == state.events then
    redis.call('SADD', P .. ':models', model)
  end
  local stored = redis.call('HMGET', sync, 'last_event_id', 'last_timestamp')
  if not is_older(state.id, state.timestamp, tonumber(stored[1] or 0), stored[2] or '') then
    redis.call('HSET', sync, 'last_event_id', as_text(state.id), 'last_timestamp', state.timestamp)
  end
  redis.call('HSET', sync, 'updated_at', as_text(time))
end

local candidates = {unpack(ARGV, 9 + #results)}
for _, record in ipairs(still_due) do
  candidates[#candidates + 1] = record
end
return {add_reports(settled, given_up), lost, still_due, as_text(time),
  claim(candidates, next_token, lease, limit, time)}
