-- Gives a lease back, unless it lapsed and is somebody else's by now.
--   KEYS[1]  the lease
--   ARGV[1]  what its holder wrote into it
-- Returns 1 if it was still ours.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
