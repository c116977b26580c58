// The commands about places that are named: GEOADD, GEODIST, GEOHASH, GEOPOS.

#include <cstdio>
#include <optional>
#include <vector>

#include "base/number.h"
#include "command/geo_commands.h"
#include "command/geo_words.h"
#include "command/sorted_set_add.h"
#include "command/sorted_set_edit.h"
#include "keyspace/access.h"

namespace diskdb::command {

using keyspace::Record;
using keyspace::Type;

Outcome read_place(CommandContext& cx, Arguments& args, types::Place* place) {
  const auto longitude = parse_double(args.next());
  if (!longitude) return Refusal::kNotFloat;
  const auto latitude = parse_double(args.next());
  if (!latitude) return Refusal::kNotFloat;
  *place = {*longitude, *latitude};
  if (types::is_on_map(*place)) return Outcome::done();
  char text[800];  // a double has up to 309 digits before the point
  std::snprintf(text, sizeof text, "ERR invalid longitude,latitude pair %f,%f", *longitude,
                *latitude);
  return cx.refuse(text);
}

Outcome read_unit(CommandContext& cx, Bytes name, double* metres) {
  const auto unit = types::geo_unit(name);
  if (!unit) return cx.refuse("ERR unsupported unit provided. please use M, KM, FT, MI");
  *metres = *unit;
  return Outcome::done();
}

void reply_distance(resp::Reply& reply, double distance) {
  char text[400];
  const int size = std::snprintf(text, sizeof text, "%.4f", distance);
  reply.bulk({text, static_cast<std::size_t>(size)});
}

void reply_place(resp::Reply& reply, const types::Place& place) {
  reply.array(2);
  reply.human_real(place.longitude);
  reply.human_real(place.latitude);
}

namespace geo {
/// GEOADD key [NX | XX] [CH] longitude latitude member [...] — a ZADD of the places' scores.
Outcome geoadd(CommandContext& cx, Arguments args) {
  args.next();
  AddOptions options;
  for (;;) {
    if (args.next_is("NX")) {
      options.only_new = true;
    } else if (args.next_is("XX")) {
      options.only_existing = true;
    } else if (args.next_is("CH")) {
      options.counts_changed = true;
    } else {
      break;
    }
  }
  const bool is_sound = !args.is_empty() && args.count() % 3 == 0;
  if (!is_sound || (options.only_new && options.only_existing)) return Refusal::kSyntax;
  std::vector<ScoreForMember> members;
  members.reserve(args.count() / 3);
  while (!args.is_empty()) {
    types::Place place;
    TRY(read_place(cx, args, &place));
    members.push_back({types::geo_score(place), args.next()});
  }
  return add_members(cx, options, members);
}

/// GEODIST key member1 member2 [M | KM | FT | MI] — null if one of them is not there.
Outcome geodist(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes first = args.next();
  const Bytes second = args.next();
  double unit = 1;
  if (args.count() > 1) return Refusal::kSyntax;
  if (!args.is_empty()) TRY(read_unit(cx, args.next(), &unit));
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  std::optional<double> from;
  std::optional<double> to;
  if (record != nullptr) {
    from = sorted_set_of(cx, *record).score(first);
    to = sorted_set_of(cx, *record).score(second);
  }
  if (from && to) {
    const types::Place place = types::place_of_score(*from);
    reply_distance(cx.reply, types::geo_distance(place, types::place_of_score(*to)) / unit);
  } else {
    cx.reply.null();
  }
  return Outcome::done();
}

/// GEOHASH key [member ...] — the standard geohashes of their places.
Outcome geohash(CommandContext& cx, Arguments args) {
  return reply_for_each_member(cx, args, [&](std::optional<double> score) {
    if (score) {
      cx.reply.bulk(types::geohash_text(*score));
    } else {
      cx.reply.null();
    }
  });
}

/// GEOPOS key [member ...] — their places.
Outcome geopos(CommandContext& cx, Arguments args) {
  return reply_for_each_member(cx, args, [&](std::optional<double> score) {
    if (score) {
      reply_place(cx.reply, types::place_of_score(*score));
    } else {
      cx.reply.null_array();
    }
  });
}

}  // namespace geo
}  // namespace diskdb::command
