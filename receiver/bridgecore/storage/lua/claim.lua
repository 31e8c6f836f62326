-- Claims a batch. ARGV: token, lease in milliseconds, most events, records.
-- Returns {the time, the answer of `claim`}.
allow_when_full()
local time = now()
local records = {unpack(ARGV, 4)}
return {as_text(time), claim(records, ARGV[1], ARGV[2], tonumber(ARGV[3]), time)}
