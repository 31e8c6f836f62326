-- Takes events of some records. ARGV: token, lease in milliseconds, most events, records.
-- Returns {the time, {how many records were looked at, the events}}.
local time = now()
local records = {unpack(ARGV, 4)}
return {stamp(time), take(records, ARGV[1], ARGV[2], tonumber(ARGV[3]), time)}
