-- Takes the first of some records that is due and free. ARGV: token, lease in milliseconds,
-- records. Returns its first event, or false.
local time = now()
for i = 3, #ARGV do
  local found = take(ARGV[i], ARGV[1], ARGV[2], time)
  if found then
    return found
  end
end
return false
