-- Extends a lease or gives it back, if the caller is its owner.
-- ARGV: name, token, milliseconds (0 gives it back). Returns 1, or 0 if the lease was lost.
allow_when_full()
local key = P .. ':lease:' .. ARGV[1]
if redis.call('GET', key) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  return redis.call('DEL', key)
end
return redis.call('PEXPIRE', key, ARGV[3])
