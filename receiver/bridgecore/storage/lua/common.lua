-- Before every script. KEYS[1] is the prefix of one source's keys; it holds that source's
-- hash tag, so that all keys derived from it live on one node of a cluster.
-- Redis' clock is the only one: the hosts of the workers need not agree about the time.
local P = KEYS[1]

local function now()  -- microseconds
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function stamp(microseconds)  -- tostring() would round to 1.7e+15
  return string.format('%.0f', microseconds)
end

local function append(list, one, other)
  list[#list + 1] = one
  list[#list + 1] = other
end

-- Calls a command with a long list of arguments; one call takes a limited number of them. What is
-- done for many events is done so: each call costs more than what it does.
local function in_parts(arguments, command, ...)
  for i = 1, #arguments, 1000 do
    local call = {...}
    for j = i, math.min(i + 999, #arguments) do
      call[#call + 1] = arguments[j]
    end
    redis.call(command, unpack(call))
  end
end

-- Of each of the names (at most some hundreds) what a command that reads says.
local function of_each(names, command, ...)
  if not names[1] then
    return {}
  end
  local call, found = {...}, {}
  for _, name in ipairs(names) do
    call[#call + 1] = name
  end
  for i, value in ipairs(redis.call(command, unpack(call))) do
    found[names[i]] = value
  end
  return found
end

local function count(figure, by)
  if by ~= 0 then
    redis.call('HINCRBY', P .. ':figures', figure, by)
  end
end

-- Puts the outcomes of events on the list of what Odoo is to be told, in the order in which they
-- were known. Those of `failures` get an odd place: their events have to be looked at, the others
-- are done. Returns 1 if the list was empty: then somebody has to start telling.
local function report(keys, failures)
  if #keys == 0 then
    return 0
  end
  local first = redis.call('EXISTS', P .. ':reports') == 0
  local place = redis.call('INCRBY', P .. ':sequence', 2 * #keys) - 2 * #keys
  place = place - place % 2
  local places = {}
  for i, key in ipairs(keys) do
    append(places, stamp(place + 2 * i - (failures[key] and 1 or 0)), key)
  end
  in_parts(places, 'ZADD', P .. ':reports', 'NX')
  return first and 1 or 0
end

-- Queues an event that was given up for another round of attempts, behind the others of its
-- record. What its handlers have done stays done. Its next end has to be told anew.
local function requeue(key, record, moment, time)
  local event = P .. ':event:' .. key
  redis.call('HSET', event, 'state', 'queued', 'attempts', 0)
  redis.call('HINCRBY', event, 'replays', 1)
  redis.call('HDEL', event, 'handled_at', 'confirmed_at')
  for _, list in ipairs({'dead', 'kept', 'remembered', 'reports'}) do
    redis.call('ZREM', P .. ':' .. list, key)
  end
  redis.call('RPUSH', P .. ':inbox:' .. record, key)
  redis.call('ZADD', P .. ':due', 'NX', stamp(time), record)
  redis.call('ZADD', P .. ':queued', moment, key)
  count('replayed', 1)
end

-- Nothing is left to be done for these events: from now on they may be forgotten some day.
local function keep(keys, time)
  local kept = {}
  for i, key in ipairs(keys) do
    append(kept, stamp(time + i), key)  -- apart, so that the oldest are known
  end
  in_parts(kept, 'ZADD', P .. ':kept')
  in_parts(keys, 'ZREM', P .. ':remembered')
end

-- The handlers of an event that have succeeded, each a field of its own: whoever adds one late, or
-- twice, takes back no other.
local function handled_by(event)
  local names = {}
  for _, field in ipairs(redis.call('HKEYS', event)) do
    if field:sub(1, 8) == 'handler:' then
      names[#names + 1] = field:sub(9)
    end
  end
  return names
end

-- Takes records whose events are due, unless another worker has them: as many of their events as
-- may be, in their order. What was tried before is taken alone, because it may have killed its
-- worker. Whoever repeats the call, because its answer got lost, gets what it has.
-- An attempt counts from its beginning: one that kills its worker leaves no other trace. That of
-- the first event begins now, the others' are told by `Progress`.
-- Returns how many of the records were looked at, and of each event its record, key, body, name,
-- time of acceptance, replays, the number of this attempt, when and by whom it was handled.
local MOST_BYTES = 1000000
local function take(records, token, lease, most, time)
  local due = of_each(records, 'ZMSCORE', P .. ':due')
  local looked_at, taken, bytes, is_full = 0, {}, 0, most == 0

  -- Bodies are read together, but not many more than MOST_BYTES may be: as the largest one shows.
  local wanted, complete, at_once, largest = {}, 0, 1, 1
  local function read_bodies()
    local bodies = of_each(wanted, 'MGET')
    for i = complete + 1, #taken do
      local body = bodies[P .. ':body:' .. taken[i][2]]
      taken[i][3] = body
      bytes, largest = bytes + #(body or ''), math.max(largest, #(body or ''))
    end
    wanted, complete = {}, #taken
    at_once = math.max(1, math.min(10, math.floor(MOST_BYTES / largest)))
  end

  local function append_events(record, is_new)
    for _, key in ipairs(redis.call('LRANGE', P .. ':inbox:' .. record, 0, most - #taken - 1)) do
      local event = P .. ':event:' .. key
      local memory = redis.call('HMGET', event, 'event', 'accepted_at', 'replays', 'attempts',
        'handled_at', 'partly')
      local attempts, handled_at, partly = memory[4], memory[5], memory[6]
      local is_alone = is_new and attempts and attempts ~= '0' and not handled_at
      if not (is_alone and taken[1]) then
        local attempt = (attempts or 0) + 1
        if not taken[1] and is_new then
          redis.call('HSET', event, 'attempts', attempt)
        elseif not taken[1] then
          attempt = attempt - 1  -- counted by the call whose answer got lost
        end
        memory[4], memory[6] = attempt, partly and handled_by(event) or {}
        taken[#taken + 1] = {record, key, false, unpack(memory)}
        wanted[#wanted + 1] = P .. ':body:' .. key
        if #wanted == at_once then
          read_bodies()
        end
      end
      is_full = is_alone or #taken == most or bytes > MOST_BYTES
      if is_full then
        return
      end
    end
  end

  for _, record in ipairs(records) do
    if is_full then
      break
    end
    local before = #taken
    if due[record] and tonumber(due[record]) <= time then
      local name = P .. ':lease:' .. record
      local is_new = redis.call('SET', name, token, 'NX', 'PX', lease)
      if is_new or redis.call('GET', name) == token then
        append_events(record, is_new)
        if #taken == before then
          redis.call('DEL', name)
        end
      end
    end
    if #taken > before or not is_full then
      looked_at = looked_at + 1
    end
  end
  read_bodies()
  return {looked_at, taken}
end
