-- The first outcomes that Odoo is to be told. ARGV: most of them.
-- Returns of each the key, its place on the list, the event's state and its error. What has no
-- outcome is taken off the list: whoever tells would wait for it for ever.
local found = {}
local members = redis.call('ZRANGE', P .. ':reports', 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #members, 2 do
  local event = redis.call('HMGET', P .. ':event:' .. members[i], 'state', 'error')
  if event[1] and event[1] ~= 'queued' then
    found[#found + 1] = {members[i], members[i + 1], event[1], event[2]}
  else
    redis.call('ZREM', P .. ':reports', members[i])
  end
end
return found
