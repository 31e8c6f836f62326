-- Takes a record whose events are due, unless another worker has it.
-- ARGV: record, token, lease in milliseconds. Returns its first event, or false.
local record, token, lease = ARGV[1], ARGV[2], ARGV[3]
local due = redis.call('ZSCORE', P .. ':due', record)
if not due or tonumber(due) > now() then
  return false
end
if not redis.call('SET', P .. ':lease:' .. record, token, 'NX', 'PX', lease) then
  return false
end
return head(record)
