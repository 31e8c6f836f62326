-- Claims events and appends them to their records' inboxes, all of a submission or none.
-- ARGV: via, most events that may wait, most events that are listed, when the feed was asked,
--       number of submissions; of each its number of events; of each event its key, record, name,
--       moment in microseconds and body.
-- Returns {whether reporting must start, for each submission 0 (refused) or the states in which
-- its events were found}.
local via, max_waiting, max_listed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local asked_at, submissions = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = now()
local accepted_at = stamp(time)
local new, repeated, refused = 0, 0, 0
-- What is written down for all events together.
local bodies, listed, due, queued, settled, failures = {}, {}, {}, {}, {}, {}

-- Odoo takes a given up event out of the feed when it is told. If the feed has it although it
-- was asked later than that, somebody offers the event again. (A push proves nothing: it may be
-- a repeat from before.)
local function found(key)
  local known = redis.call('HMGET', P .. ':event:' .. key, 'state', 'confirmed_at')
  if (known[1] == 'dead' or known[1] == 'discarded')
      and known[2] and tonumber(known[2]) < asked_at then
    return 'offered'
  end
  return known[1] or 'new'
end

local function refuses(first, last)
  if redis.call('ZCARD', P .. ':queued') + new < max_waiting then
    return false
  end
  for i = first, last, 5 do
    local state = found(ARGV[i])
    if state == 'new' or state == 'offered' then
      return true
    end
  end
  return false
end

local function claim(i)
  local key, record, name, moment, body = unpack(ARGV, i, i + 4)
  local state = found(key)
  if state == 'new' then
    redis.call('HSET', P .. ':event:' .. key, 'state', 'queued', 'via', via, 'record', record,
      'event', name, 'accepted_at', accepted_at)
    append(bodies, P .. ':body:' .. key, body)
    redis.call('RPUSH', P .. ':inbox:' .. record, key)
    -- a microsecond apart, so that the list keeps their order
    append(listed, stamp(time + new), key .. ' ' .. record .. ' ' .. name)
    append(due, accepted_at, record)
    append(queued, moment, key)
    new = new + 1
    return state
  end
  repeated = repeated + 1
  if state == 'offered' then
    redis.call('SET', P .. ':body:' .. key, body)
    requeue(key, record, moment, time)
  elseif state ~= 'queued' then
    settled[#settled + 1] = key
    failures[key] = state == 'dead' or state == 'discarded'
  end
  return state
end

local answers = {}
local place = 6
for submission = 1, submissions do
  local first, last = place + 1, place + 5 * tonumber(ARGV[place])
  if refuses(first, last) then
    answers[submission] = 0
    refused = refused + (last - place) / 5
  else
    local states = {}
    for i = first, last, 5 do
      states[#states + 1] = claim(i)
    end
    answers[submission] = states
  end
  place = last + 1
end
in_parts(bodies, 'MSET')
in_parts(listed, 'ZADD', P .. ':events')
in_parts(due, 'ZADD', P .. ':due', 'NX')
in_parts(queued, 'ZADD', P .. ':queued')
redis.call('ZREMRANGEBYRANK', P .. ':events', 0, -max_listed - 1)
count('received:' .. via, new + repeated)
count('duplicates:' .. via, repeated)
count('refused:' .. via, refused)
return {report(settled, failures), answers}
