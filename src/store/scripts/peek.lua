-- What has become of an answer that somebody else is asking for.
--   KEYS[1]  where it will be       KEYS[2]  the lease of whoever asks, in the same slot
-- Returns { the sealed answer or nil, 1 while the lease runs }.
return { redis.call('GET', KEYS[1]), redis.call('EXISTS', KEYS[2]) }
