-- Only the owner extends a lease or gives it back.
-- ARGV: name, token, milliseconds (0 gives it back). Returns 1 for the owner.
local key = P .. ':lease:' .. ARGV[1]
if redis.call('GET', key) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  return redis.call('DEL', key)
end
return redis.call('PEXPIRE', key, ARGV[3])
