-- Adds entries to a list that every replica keeps in memory, and tells all of them.
-- An entry is a name and four numbers; two entries of one name are joined by taking the greater of
-- each number, so it does not matter who comes first or how often.
--   KEYS[1]  the list: a hash from names to `1 A B C D` (1 is the version of this form), and `v`, the
--            version of the list: `EPOCH N`
--   ARGV[1]  the channel            ARGV[2]  what messages begin with
--   ARGV[3]  an epoch, for a list that has none yet
--   ARGV[4]  most entries that the list may have
--   ARGV[5]… name, A, B, C, D, name, A, …
-- Returns the version now, or nil if there was no room; then nothing was added.
local epoch, number = string.match(redis.call('HGET', KEYS[1], 'v') or '', '^(%x+) (%d+)$')
if not epoch then
  epoch, number = ARGV[3], '0'
end
local changed, told, new = {}, {}, 0
for at = 5, #ARGV, 5 do
  local name = ARGV[at]
  local held = redis.call('HGET', KEYS[1], name)
  local a, b, c, d = string.match(held or '', '^1 (%d+) (%d+) (%d+) (%d+)$')
  if not held then
    new = new + 1
  end
  local old, numbers, differs = { a, b, c, d }, {}, false
  for part = 1, 4 do
    local mine, theirs = ARGV[at + part], old[part]
    if theirs and tonumber(theirs) >= tonumber(mine) then
      numbers[part] = theirs
    else
      numbers[part], differs = mine, true
    end
  end
  if differs then
    local value = table.concat(numbers, ' ')
    table.insert(changed, name)
    table.insert(changed, '1 ' .. value)
    table.insert(told, name .. ' ' .. value)
  end
end
if #changed == 0 then
  return epoch .. ' ' .. number
end
-- One more than entries: the version.
if new > 0 and redis.call('HLEN', KEYS[1]) + new > tonumber(ARGV[4]) + 1 then
  return false
end
local version = epoch .. ' ' .. string.format('%.0f', tonumber(number) + 1)
redis.call('HSET', KEYS[1], 'v', version, unpack(changed))
redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. version .. ' ' .. table.concat(told, ' '))
return version
