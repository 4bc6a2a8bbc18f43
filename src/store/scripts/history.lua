-- Adds what one replica saw of a subject to what all of them know.
-- A history is `1 SEEN DENIALS FINDINGS COUNTED ADDRESSES/DEVICES`: 1 is the version of this form; SEEN
-- and COUNTED are seconds since 1970 (SEEN 0 = never); DENIALS and FINDINGS are what they were worth at
-- COUNTED; addresses and devices are up to four hashes each, latest first, with commas between.
--   KEYS[1]  the history
--   ARGV[1]  what was seen, in the same form
--   ARGV[2]  the half-life of denials and findings, in seconds
--   ARGV[3]  after how many seconds a history is over
-- Returns the history now, or nil if what was seen is not of this form.
local function read(text)
  local seen, denials, findings, counted, addresses, devices =
    string.match(text or '', '^1 (%d+) (%S+) (%S+) (%d+) ([%x,]*)/([%x,]*)$')
  denials, findings = tonumber(denials or ''), tonumber(findings or '')
  if not denials or not findings then
    return nil
  end
  return {
    seen = tonumber(seen), denials = denials, findings = findings, counted = tonumber(counted),
    addresses = addresses, devices = devices,
  }
end

local function latest_first(new, old)
  local places, known = {}, {}
  for place in string.gmatch(new .. ',' .. old, '%x+') do
    if not known[place] and #places < 4 then
      known[place] = true
      table.insert(places, place)
    end
  end
  return table.concat(places, ',')
end

local new = read(ARGV[1])
if not new then
  return false
end
local kind = redis.call('TYPE', KEYS[1])
local old = (kind.ok or kind) == 'string' and read(redis.call('GET', KEYS[1])) or nil
if old then
  local latest = old.seen > 0 and old.seen or old.counted
  if new.counted - latest >= tonumber(ARGV[3]) then
    old = nil
  end
end
old = old or { seen = 0, denials = 0, findings = 0, counted = new.counted, addresses = '', devices = '' }
local now = math.max(old.counted, new.counted)
local function left(counted)
  return 0.5 ^ ((now - counted) / tonumber(ARGV[2]))
end
local value = string.format('1 %.0f %.9g %.9g %.0f %s/%s',
  math.max(old.seen, new.seen),
  old.denials * left(old.counted) + new.denials * left(new.counted),
  old.findings * left(old.counted) + new.findings * left(new.counted),
  now,
  latest_first(new.addresses, old.addresses),
  latest_first(new.devices, old.devices))
redis.call('SET', KEYS[1], value, 'EX', ARGV[3])
return value
