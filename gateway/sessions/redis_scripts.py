"""What Redis does with uploads, in its own language: each script is done whole or not at all.

Keys of one upload: its record (a hash), its extents (a sorted set, scored by the version that added them),
its place in the order of expiry, and *marks*. Every state of an upload has a **stamp**, made up by who
wrote it: a change is made only of the state it was judged by, and that alone makes it safe. A mark keeps
for a minute that a stamp was written, and as which version. It tells two things: a change that is sent
twice, because its first answer was lost with a connection, was made already; and a state that a gateway
remembers is an earlier one of this record (not of one that Redis has lost since), so that only the
extents of later versions need to be read.
"""

from typing import Final

# KEYS: record, extents, expiry. ARGV: id, made, standing, epoch, version, stamp, expires, extents...
# Answers 0 when it is there already.
CREATE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'made', ARGV[2], 'standing', ARGV[3], 'epoch', ARGV[4], 'version', ARGV[5],
           'stamp', ARGV[6], 'pruned', ARGV[5], 'yield', '0')
redis.call('ZADD', KEYS[3], ARGV[7], ARGV[1])
for i = 8, #ARGV do redis.call('ZADD', KEYS[2], ARGV[5], ARGV[i]) end
return 1
"""

# An upload as it is: nothing when there is none; one item when it is still that of the stamp; else standing,
# epoch, version, yield, stamp, made (empty: what is known of it may be kept) and what it has of extents.
_FIND: Final = """
local function find(stamp, mark)
    local row = redis.call('HMGET', KEYS[1], 'standing', 'epoch', 'version', 'yield', 'stamp', 'pruned')
    if not row[1] then return {} end
    if row[5] == stamp then return {'same'} end
    local known = redis.call('GET', mark)
    if known and tonumber(row[6]) <= tonumber(known) then
        row[6] = ''
        row[7] = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. known, '+inf')
    else
        row[6] = redis.call('HGET', KEYS[1], 'made')
        row[7] = redis.call('ZRANGE', KEYS[2], 0, -1)
    end
    return row
end
"""

# KEYS: record, extents, the known stamp's mark. ARGV: known stamp.
FIND: Final = _FIND + "return find(ARGV[1], KEYS[3])"

# KEYS: record, extents, the known stamp's mark, expiry, the new stamp's mark. ARGV: known stamp, id, standing, epoch,
# version, yield, stamp, expires, ms to keep the mark, count of extents to drop, these, those to add.
# Answers 1 when done, else the upload as it is.
CHANGE: Final = (
    _FIND
    + """
if redis.call('EXISTS', KEYS[5]) == 1 then return 1 end
if redis.call('HGET', KEYS[1], 'stamp') ~= ARGV[1] then return find(ARGV[1], KEYS[3]) end
local added = 11 + tonumber(ARGV[10])
for i = 11, added - 1 do redis.call('ZREM', KEYS[2], ARGV[i]) end
for i = added, #ARGV do redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[i]) end
redis.call('HSET', KEYS[1], 'standing', ARGV[3], 'epoch', ARGV[4], 'version', ARGV[5], 'yield', ARGV[6],
           'stamp', ARGV[7])
if added > 11 then redis.call('HSET', KEYS[1], 'pruned', ARGV[5]) end
redis.call('ZADD', KEYS[4], ARGV[8], ARGV[2])
redis.call('SET', KEYS[5], ARGV[5], 'PX', ARGV[9])
return 1
"""
)

# KEYS: record, the new stamp's mark. ARGV: epoch, stamp, ms to keep the mark.
YIELD: Final = """
local row = redis.call('HMGET', KEYS[1], 'epoch', 'yield')
if row[1] == ARGV[1] and row[2] == '0' then
    local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HSET', KEYS[1], 'yield', '1', 'stamp', ARGV[2])
    redis.call('SET', KEYS[2], version, 'PX', ARGV[3])
end
return 0
"""

# KEYS: record, extents, expiry. ARGV: id, epoch. Answers what it was made as.
FORGET: Final = """
local row = redis.call('HMGET', KEYS[1], 'epoch', 'made')
if row[1] and row[1] ~= ARGV[2] then return '' end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return row[2] or ''
"""

# KEYS: name. ARGV: the id it may stand for now (empty: none), the id it is to stand for (empty: none).
# Answers the id it stands for afterwards.
POINT: Final = """
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then return found end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return ARGV[2]
"""
