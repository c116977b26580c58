#include "command/geo_commands.h"

#include "command/command_table.h"

namespace diskdb::command {
namespace {

using keyspace::Logged;

constexpr KeyUse kReads = KeyUse::kReadOnly | KeyUse::kAccess;
constexpr KeyUse kReplaces = KeyUse::kOverwrite | KeyUse::kUpdate;
constexpr KeySpec kRead[] = {KeySpec::at(1, kReads)};
constexpr KeySpec kUpdate[] = {KeySpec::at(1, KeyUse::kReadWrite | KeyUse::kUpdate)};
constexpr KeySpec kStore[] = {KeySpec::at(1, kReplaces), KeySpec::at(2, kReads)};
constexpr KeySpec kRadius[] = {KeySpec::at(1, kReads), KeySpec::behind("STORE", 6, kReplaces),
                               KeySpec::behind("STOREDIST", 6, kReplaces)};
constexpr KeySpec kRadiusByMember[] = {KeySpec::at(1, kReads),
                                       KeySpec::behind("STORE", 5, kReplaces),
                                       KeySpec::behind("STOREDIST", 5, kReplaces)};

constexpr Flag kWriter = Flag::kWrite | Flag::kDenyOom;

constexpr Row kRows[] = {
    {.name = "GEOADD",
     .words = Words::at_least(5),
     .keys = kUpdate,
     .flags = kWriter,
     .logged = Logged::kVerbatim,
     .function = geo::geoadd,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N)) for each member, N being the set's size.",
     .summary = "Adds places to a sorted set, or moves those that are there.",
     .syntax = "key [NX | XX] [CH] longitude:double latitude:double member [longitude:double "
               "latitude:double member ...]"},
    {.name = "GEODIST",
     .words = Words::at_least(4),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .elements = Elements::named(2, 3),
     .function = geo::geodist,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N))",
     .summary = "Says how far apart two places are.",
     .syntax = "key member1 member2 [M | KM | FT | MI]"},
    {.name = "GEOHASH",
     .words = Words::at_least(2),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .elements = Elements::named(2, -1),
     .function = geo::geohash,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N)) for each member.",
     .summary = "Reads places as standard geohashes.",
     .syntax = "key [member [member ...]]"},
    {.name = "GEOPOS",
     .words = Words::at_least(2),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .elements = Elements::named(2, -1),
     .function = geo::geopos,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N)) for each member.",
     .summary = "Reads places as longitudes and latitudes.",
     .syntax = "key [member [member ...]]"},
    {.name = "GEORADIUS",
     .words = Words::at_least(6),
     .keys = kRadius,
     .flags = kWriter | Flag::kMovableKeys | Flag::kDeprecated,
     .logged = Logged::kVerbatim,
     .function = geo::georadius,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(N + log(M)), N being the members of the cells around the circle and M those "
                   "inside it.",
     .summary = "Lists or stores the places within a circle around a point.",
     .syntax = "key longitude:double latitude:double radius:double <M | KM | FT | MI> [WITHCOORD] "
               "[WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     .deprecated_since = "6.2.0"},
    {.name = "GEORADIUSBYMEMBER",
     .words = Words::at_least(5),
     .keys = kRadiusByMember,
     .flags = kWriter | Flag::kMovableKeys | Flag::kDeprecated,
     .logged = Logged::kVerbatim,
     .function = geo::georadiusbymember,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(N + log(M)), N being the members of the cells around the circle and M those "
                   "inside it.",
     .summary = "Lists or stores the places within a circle around one of them.",
     .syntax = "key member radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
               "[COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
     .replaced_by =
         "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .deprecated_since = "6.2.0"},
    {.name = "GEORADIUSBYMEMBER_RO",
     .words = Words::at_least(5),
     .keys = kRead,
     .flags = Flag::kReadonly | Flag::kDeprecated,
     .function = geo::georadiusbymember_ro,
     .group = Group::kGeo,
     .since = "3.2.10",
     .complexity = "O(N + log(M)), N being the members of the cells around the circle and M those "
                   "inside it.",
     .summary = "Lists the places within a circle around one of them.",
     .syntax = "key member radius:double <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
               "[COUNT count [ANY]] [ASC | DESC]",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .deprecated_since = "6.2.0"},
    {.name = "GEORADIUS_RO",
     .words = Words::at_least(6),
     .keys = kRead,
     .flags = Flag::kReadonly | Flag::kDeprecated,
     .function = geo::georadius_ro,
     .group = Group::kGeo,
     .since = "3.2.10",
     .complexity = "O(N + log(M)), N being the members of the cells around the circle and M those "
                   "inside it.",
     .summary = "Lists the places within a circle around a point.",
     .syntax = "key longitude:double latitude:double radius:double <M | KM | FT | MI> [WITHCOORD] "
               "[WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
     .deprecated_since = "6.2.0"},
    {.name = "GEOSEARCH",
     .words = Words::at_least(7),
     .keys = kRead,
     .flags = Flag::kReadonly,
     .function = geo::geosearch,
     .group = Group::kGeo,
     .since = "6.2.0",
     .complexity =
         "O(N + log(M)), N being the members of the cells around the shape and M those inside "
         "it.",
     .summary = "Lists the places within a circle or a rectangle.",
     .syntax = "key <FROMMEMBER member | FROMLONLAT longitude:double latitude:double> <BYRADIUS "
               "radius:double <M | KM | FT | MI> | BYBOX width:double height:double <M | KM | FT | "
               "MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]"},
    {.name = "GEOSEARCHSTORE",
     .words = Words::at_least(8),
     .keys = kStore,
     .flags = kWriter,
     .logged = Logged::kVerbatim,
     .function = geo::geosearchstore,
     .group = Group::kGeo,
     .since = "6.2.0",
     .complexity =
         "O(N + log(M)), N being the members of the cells around the shape and M those inside "
         "it.",
     .summary = "Stores the places within a circle or a rectangle.",
     .syntax = "destination source <FROMMEMBER member | FROMLONLAT longitude:double "
               "latitude:double> <BYRADIUS radius:double <M | KM | FT | MI> | BYBOX width:double "
               "height:double <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]"},
};
static_assert(rows_are_sound(kRows));

}  // namespace

std::span<const Row> geo_rows() { return kRows; }

}  // namespace diskdb::command
