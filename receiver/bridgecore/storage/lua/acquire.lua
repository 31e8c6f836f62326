-- Gives a lease to the caller if nobody has it. ARGV: name, token, milliseconds. Returns 1 or 0.
allow_when_full()
return redis.call('SET', P .. ':lease:' .. ARGV[1], ARGV[2], 'NX', 'PX', ARGV[3]) and 1 or 0
