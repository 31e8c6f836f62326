-- Accepts submissions: remembers their new events and appends them to the inboxes, all events of a
-- submission or none.
-- ARGV: via (push or pull), most events that may be queued, most entries of the list `events`,
--       microseconds for which pushes wait until the feed was read, 1 if there is memory for new
--       events, token of the pull, time at which the feed was asked, number of submissions; then of
--       each submission its number of events, and of each event its key, record, name, time of
--       commit and body.
-- Returns {1 if the caller must send the message to confirm, 1 if it must send the message to pull,
-- for each submission 0 (too many events wait), 1 (the feed must be read first), 2 (no memory) or
-- the list of the states in which its events were found}.
local via, max_queued, max_listed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local catch_up_timeout, has_room, pull = tonumber(ARGV[4]), ARGV[5] == '1', ARGV[6]
local asked_at, submissions = tonumber(ARGV[7]), tonumber(ARGV[8])
local time = now()
local accepted_at = as_text(time)
local new, duplicates, refused = 0, 0, 0
-- What is written for all events together, at the end.
local bodies, listed, due, queued, reported, given_up = {}, {}, {}, {}, {}, {}

-- Returns the state of an event: `new` if it is unknown, `offered` if Odoo's feed offers it again.
-- Odoo takes an event out of the feed when it gets the report that the event was given up. So if
-- the feed has the event in an answer to a later question, Odoo offers it again. A push proves
-- nothing: it may be a duplicate from before.
local function state_of(key)
  local known = redis.call('HMGET', P .. ':event:' .. key, 'state', 'confirmed_at')
  if (known[1] == 'dead' or known[1] == 'discarded')
      and known[2] and tonumber(known[2]) < asked_at then
    return 'offered'
  end
  return known[1] or 'new'
end

-- Whether the feed must be read before events may be accepted.
-- A Redis without `read_at` has lost its data or is new. Events that were accepted before come again
-- with the feed, so a push that came first would be handled before earlier events of its record.
-- A page of a pull that began before the loss is refused, because the pages before it are lost.
local starts_pull = 0
local function is_behind()
  local feed = P .. ':feed'
  local known = redis.call('HMGET', feed, 'read_at', 'pull', 'catching_up_since')
  if via == 'pull' then
    if known[2] ~= pull then
      return true
    end
    return false
  end
  if known[1] then
    return false
  end
  if not known[3] then
    redis.call('HSET', feed, 'catching_up_since', accepted_at)
    starts_pull = 1
  end
  return time - (known[3] or time) < catch_up_timeout
end
local behind = is_behind()

local function has_new(first, last)
  for i = first, last, 5 do
    local state = state_of(ARGV[i])
    if state == 'new' or state == 'offered' then
      return true
    end
  end
  return false
end

-- Returns why a submission is refused, see above; nil if it is not. A submission that has only
-- duplicates never is.
local function refusal(first, last)
  local is_full = redis.call('ZCARD', P .. ':queued') + new >= max_queued
  if (is_full or behind or not has_room) and has_new(first, last) then
    return behind and 1 or is_full and 0 or 2
  end
end

-- Accepts the event that begins at ARGV[i], and returns the state in which it was found.
local function accept(i)
  local key, record, name, committed_at, body = unpack(ARGV, i, i + 4)
  local state = state_of(key)
  if state == 'new' then
    redis.call('HSET', P .. ':event:' .. key, 'state', 'queued', 'via', via, 'record', record,
      'event', name, 'accepted_at', accepted_at)
    append_pair(bodies, P .. ':body:' .. key, body)
    redis.call('RPUSH', P .. ':inbox:' .. record, key)
    -- A microsecond apart, so that the list keeps the order of the events.
    append_pair(listed, as_text(time + new), key .. ' ' .. record .. ' ' .. name)
    append_pair(due, accepted_at, record)
    append_pair(queued, committed_at, key)
    new = new + 1
    return state
  end
  duplicates = duplicates + 1
  if state == 'offered' then
    redis.call('SET', P .. ':body:' .. key, body)
    requeue(key, record, committed_at, time)
  elseif state ~= 'queued' then
    reported[#reported + 1] = key
    given_up[key] = state == 'dead' or state == 'discarded'
  end
  return state
end

local answers = {}
local place = 9
for submission = 1, submissions do
  local first, last = place + 1, place + 5 * tonumber(ARGV[place])
  answers[submission] = refusal(first, last)
  if answers[submission] == 0 then
    refused = refused + (last - place) / 5
  elseif not answers[submission] then
    local states = {}
    for i = first, last, 5 do
      states[#states + 1] = accept(i)
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
if via == 'pull' and new > 0 then
  -- The feed brings something, so pushes go on waiting for it.
  if redis.call('HEXISTS', P .. ':feed', 'catching_up_since') == 1 then
    redis.call('HSET', P .. ':feed', 'catching_up_since', accepted_at)
  end
end
count('received:' .. via, new + duplicates)
count('duplicates:' .. via, duplicates)
count('refused:' .. via, refused)
return {add_reports(reported, given_up), starts_pull, answers}
