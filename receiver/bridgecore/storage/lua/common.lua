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

local function count(figure, by)
  if by ~= 0 then
    redis.call('HINCRBY', P .. ':figures', figure, by)
  end
end

-- Puts the outcome of an event on the list of what Odoo is to be told, in the order in which
-- outcomes were known. Returns 1 if the list was empty: then somebody has to start telling.
local function report(key)
  local first = redis.call('EXISTS', P .. ':reports') == 0
  redis.call('ZADD', P .. ':reports', 'NX', redis.call('INCR', P .. ':sequence'), key)
  return first and 1 or 0
end

-- Queues an event behind the others of its record.
local function enqueue(key, record, moment, time)
  redis.call('RPUSH', P .. ':inbox:' .. record, key)
  redis.call('ZADD', P .. ':due', 'NX', stamp(time), record)
  redis.call('ZADD', P .. ':queued', moment, key)
end

-- Queues an event that was given up for another round of attempts. What its handlers have done
-- stays done. Its next end has to be told anew.
local function requeue(key, record, moment, time)
  local event = P .. ':event:' .. key
  redis.call('HSET', event, 'state', 'queued', 'attempts', 0)
  redis.call('HINCRBY', event, 'replays', 1)
  redis.call('HDEL', event, 'handled_at', 'confirmed_at')
  redis.call('PERSIST', event)
  redis.call('PERSIST', P .. ':body:' .. key)
  redis.call('ZREM', P .. ':dead', key)
  redis.call('ZREM', P .. ':kept', key)
  redis.call('ZREM', P .. ':remembered', key)
  redis.call('ZREM', P .. ':reports', key)
  enqueue(key, record, moment, time)
  count('replayed', 1)
end

-- Nothing is left to be done for an event: its content and its memory may go after a while.
local function keep(key, time, content, memory)
  redis.call('PEXPIRE', P .. ':event:' .. key, memory)
  redis.call('PEXPIRE', P .. ':body:' .. key, content)
  redis.call('ZADD', P .. ':kept', stamp(time), key)
  redis.call('ZREM', P .. ':remembered', key)
end

-- The first waiting event of a record, for an attempt at it, or false. The attempt counts from
-- its beginning: one that kills its worker has no other trace.
local function head(record)
  local key = redis.call('LINDEX', P .. ':inbox:' .. record, 0)
  if not key then
    return false
  end
  local event = P .. ':event:' .. key
  redis.call('HINCRBY', event, 'attempts', 1)
  return {key, redis.call('GET', P .. ':body:' .. key), redis.call('HGETALL', event)}
end

-- Takes a record whose events are due, unless another worker has it: its first event, or false.
local function take(record, token, lease, time)
  local due = redis.call('ZSCORE', P .. ':due', record)
  if not due or tonumber(due) > time then
    return false
  end
  if not redis.call('SET', P .. ':lease:' .. record, token, 'NX', 'PX', lease) then
    return false
  end
  return head(record)
end
