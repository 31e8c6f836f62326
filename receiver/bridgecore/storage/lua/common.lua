-- The beginning of every script. KEYS[1] is the prefix of all keys of one source. It holds the hash
-- tag of the source, so all keys are on one node of a cluster.
-- All times are Redis' own, so the clocks of the hosts may differ.
local P = KEYS[1]

local function now()  -- microseconds
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function as_text(number)  -- tostring() would round a time to 1.7e+15
  return string.format('%.0f', number)
end

-- Lets the script write although Redis is full. Redis refuses a script whose first write needs memory,
-- and DEL needs none. For scripts that make events fewer: these must always be possible.
local function allow_when_full()
  redis.call('DEL', P .. ':nothing')
end

local function append_pair(list, first, second)
  list[#list + 1] = first
  list[#list + 1] = second
end

-- Calls a command with a long list of arguments, 1000 of them at once: Lua can unpack only some
-- thousands. One call for many events is faster than one for each.
local function in_parts(arguments, command, ...)
  for i = 1, #arguments, 1000 do
    local call = {...}
    for j = i, math.min(i + 999, #arguments) do
      call[#call + 1] = arguments[j]
    end
    redis.call(command, unpack(call))
  end
end

-- Calls a command that reads one value per name, such as MGET, and returns the values by their
-- names. There may be some hundreds of names.
local function read_each(names, command, ...)
  if not names[1] then
    return {}
  end
  local call, values = {...}, {}
  for _, name in ipairs(names) do
    call[#call + 1] = name
  end
  for i, value in ipairs(redis.call(command, unpack(call))) do
    values[names[i]] = value
  end
  return values
end

local function count(figure, by)
  if by ~= 0 then
    redis.call('HINCRBY', P .. ':figures', figure, by)
  end
end

-- Appends events to the list of reports, in the order of `keys`. An event in `given_up` gets an odd
-- place, a done event an even one. An event that is on the list keeps its place.
-- Returns 1 if the list was empty: the caller must then send the message to confirm.
local function add_reports(keys, given_up)
  if #keys == 0 then
    return 0
  end
  local was_empty = redis.call('EXISTS', P .. ':reports') == 0
  local place = redis.call('INCRBY', P .. ':sequence', 2 * #keys) - 2 * #keys
  place = place - place % 2
  local places = {}
  for i, key in ipairs(keys) do
    append_pair(places, as_text(place + 2 * i - (given_up[key] and 1 or 0)), key)
  end
  in_parts(places, 'ZADD', P .. ':reports', 'NX')
  return was_empty and 1 or 0
end

-- Queues an event that was given up for another round of attempts, behind the other events of its
-- record. Handlers that have succeeded are not called again. The next result is reported anew.
local function requeue(key, record, committed_at, time)
  local event = P .. ':event:' .. key
  redis.call('HSET', event, 'state', 'queued', 'attempts', 0)
  redis.call('HINCRBY', event, 'replays', 1)
  redis.call('HDEL', event, 'handled_at', 'confirmed_at')
  for _, list in ipairs({'dead', 'kept', 'remembered', 'reports'}) do
    redis.call('ZREM', P .. ':' .. list, key)
  end
  redis.call('RPUSH', P .. ':inbox:' .. record, key)
  redis.call('ZADD', P .. ':due', 'NX', as_text(time), record)
  redis.call('ZADD', P .. ':queued', committed_at, key)
  count('replayed', 1)
end

-- Puts events that are finished on the list `kept`: they may be forgotten from now on.
local function finish(keys, time)
  local kept = {}
  for i, key in ipairs(keys) do
    append_pair(kept, as_text(time + i), key)  -- a microsecond apart, so that the list is in order
  end
  in_parts(kept, 'ZADD', P .. ':kept')
  in_parts(keys, 'ZREM', P .. ':remembered')
end

-- Returns the names of the handlers of an event that have succeeded. Each has a field of its own in
-- the memory, so a note that is late or repeated removes no other handler.
local function handled_by(event)
  local names = {}
  for _, field in ipairs(redis.call('HKEYS', event)) do
    if field:sub(1, 8) == 'handler:' then
      names[#names + 1] = field:sub(9)
    end
  end
  return names
end

-- Claims up to `limit` events of those records that are due and that no other worker has, each
-- record's in order. If a worker repeats the call because the answer was lost, it gets the events
-- that it has claimed already.
-- An event that was attempted before is claimed alone, because it may have killed its worker. If
-- all its handlers have succeeded, it is claimed like any other.
-- An attempt is counted when it begins: one that kills its worker leaves no other trace. This
-- function counts the attempt at the first event, `Progress` those at the others.
-- Returns {how many of the records it looked at, the events}; of each event its record, key, body,
-- name, time of acceptance, replays, number of this attempt, time at which all handlers had
-- succeeded, handlers that have succeeded.
local MAX_BYTES = 1000000
local function claim(records, token, lease, limit, time)
  local due = read_each(records, 'ZMSCORE', P .. ':due')
  local examined, claimed, bytes, is_full = 0, {}, 0, limit == 0

  -- Bodies are read many at once, but only so many that they hardly exceed MAX_BYTES if each is as
  -- large as the largest one so far.
  local wanted, complete, at_once, largest = {}, 0, 1, 1
  local function read_bodies()
    local bodies = read_each(wanted, 'MGET')
    for i = complete + 1, #claimed do
      local body = bodies[P .. ':body:' .. claimed[i][2]]
      claimed[i][3] = body
      bytes, largest = bytes + #(body or ''), math.max(largest, #(body or ''))
    end
    wanted, complete = {}, #claimed
    at_once = math.max(1, math.min(10, math.floor(MAX_BYTES / largest)))
  end

  local function append_events(record, is_new)
    for _, key in ipairs(redis.call('LRANGE', P .. ':inbox:' .. record, 0, limit - #claimed - 1)) do
      local event = P .. ':event:' .. key
      local memory = redis.call('HMGET', event, 'event', 'accepted_at', 'replays', 'attempts',
        'handled_at', 'partly')
      local attempts, handled_at, partly = memory[4], memory[5], memory[6]
      local is_alone = is_new and attempts and attempts ~= '0' and not handled_at
      if not (is_alone and claimed[1]) then
        local attempt = (attempts or 0) + 1
        if not claimed[1] and is_new then
          redis.call('HSET', event, 'attempts', attempt)
        elseif not claimed[1] then
          attempt = attempt - 1  -- the call whose answer was lost has counted it
        end
        memory[4], memory[6] = attempt, partly and handled_by(event) or {}
        claimed[#claimed + 1] = {record, key, false, unpack(memory)}
        wanted[#wanted + 1] = P .. ':body:' .. key
        if #wanted == at_once then
          read_bodies()
        end
      end
      is_full = is_alone or #claimed == limit or bytes > MAX_BYTES
      if is_full then
        return
      end
    end
  end

  for _, record in ipairs(records) do
    if is_full then
      break
    end
    local before = #claimed
    if due[record] and tonumber(due[record]) <= time then
      local name = P .. ':lease:' .. record
      local is_new = redis.call('SET', name, token, 'NX', 'PX', lease)
      if is_new or redis.call('GET', name) == token then
        append_events(record, is_new)
        if #claimed == before then
          redis.call('DEL', name)
        end
      end
    end
    if #claimed > before or not is_full then
      examined = examined + 1
    end
  end
  read_bodies()
  return {examined, claimed}
end
