-- Drops entries that matter no more. Looks again, since one may have been renewed meanwhile.
--   KEYS[1]  the list, as in join.lua; an entry matters until the greater of its numbers B and D
--   ARGV[1]  the time now           ARGV[2]… names
-- Returns how many were dropped.
local dropped = 0
for at = 2, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[at])
  local _, b, _, d = string.match(held or '', '^1 (%d+) (%d+) (%d+) (%d+)$')
  if b and math.max(tonumber(b), tonumber(d)) <= tonumber(ARGV[1]) then
    dropped = dropped + redis.call('HDEL', KEYS[1], ARGV[at])
  end
end
return dropped
