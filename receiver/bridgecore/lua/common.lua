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

-- Puts the outcome of an event on the list of what Odoo is to be told, in the order in which
-- outcomes were known. Returns 1 if the list was empty: then somebody has to start telling.
local function report(key)
  local first = redis.call('EXISTS', P .. ':reports') == 0
  redis.call('ZADD', P .. ':reports', 'NX', redis.call('INCR', P .. ':sequence'), key)
  return first and 1 or 0
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
