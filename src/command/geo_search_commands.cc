// The commands that search places within a shape: GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS with its
// kin, which are older ways to say the same.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/number.h"
#include "command/geo_commands.h"
#include "command/geo_words.h"
#include "command/sorted_set_edit.h"
#include "keyspace/access.h"
#include "types/sorted_set.h"

namespace diskdb::command::geo {
namespace {

using keyspace::Key;
using keyspace::Record;
using keyspace::Type;
using types::GeoShape;

enum class Form : std::uint8_t { kSearch, kSearchStore, kRadius, kRadiusReadOnly };
enum class Order : std::uint8_t { kAny, kNearest, kFarthest };

struct Query {
  Form form;
  GeoShape shape = {};
  double unit = 1;  ///< in metres
  bool has_center = false;
  bool has_shape = false;
  Order order = Order::kAny;
  std::uint64_t count = 0;  ///< 0: all
  bool takes_any = false;
  bool with_distance = false;
  bool with_hash = false;
  bool with_place = false;
  std::optional<Bytes> target = {};
  bool stores_distance = false;

  bool is_search() const { return form == Form::kSearch || form == Form::kSearchStore; }
};

struct FoundPlace {
  std::string member;
  double score;
  double distance;
  types::Place place;
};

// ---- Reading

/// The place of a member of the set, which must be there.
Outcome find_center(CommandContext& cx, const Record& record, Bytes member, GeoShape* shape) {
  const auto score = sorted_set_of(cx, record).score(member);
  if (!score) return cx.refuse("ERR could not decode requested zset member");
  shape->center = types::place_of_score(*score);
  return Outcome::done();
}

/// Reads "radius unit".
Outcome read_circle(CommandContext& cx, Arguments& args, Query* query) {
  const auto radius = parse_double(args.next());
  if (!radius) return cx.refuse("ERR need numeric radius");
  if (*radius < 0) return cx.refuse("ERR radius cannot be negative");
  TRY(read_unit(cx, args.next(), &query->unit));
  query->shape.is_box = false;
  query->shape.radius = *radius * query->unit;
  return Outcome::done();
}

/// Reads "width height unit".
Outcome read_box(CommandContext& cx, Arguments& args, Query* query) {
  const auto width = parse_double(args.next());
  if (!width) return cx.refuse("ERR need numeric width");
  const auto height = parse_double(args.next());
  if (!height) return cx.refuse("ERR need numeric height");
  if (*width < 0 || *height < 0) return cx.refuse("ERR height or width cannot be negative");
  TRY(read_unit(cx, args.next(), &query->unit));
  query->shape.is_box = true;
  query->shape.width = *width * query->unit;
  query->shape.height = *height * query->unit;
  return Outcome::done();
}

/// What only GEOSEARCH and GEOSEARCHSTORE know. False: it is something else.
Answer<bool> take_search_option(CommandContext& cx, Arguments& args, const Record* record,
                                Query* query, bool* is_from_place, bool* is_from_member) {
  if (!query->is_search()) return false;
  const std::size_t left = args.count();
  GeoShape& shape = query->shape;
  if (left >= 2 && !*is_from_place && args.next_is("FROMMEMBER")) {
    const Bytes member = args.next();
    if (record != nullptr) TRY(find_center(cx, *record, member, &shape));
    *is_from_member = true;
  } else if (left >= 3 && !*is_from_member && args.next_is("FROMLONLAT")) {
    TRY(read_place(cx, args, &shape.center));
    *is_from_place = true;
  } else if (left >= 3 && !(query->has_shape && shape.is_box) && args.next_is("BYRADIUS")) {
    TRY(read_circle(cx, args, query));
    query->has_shape = true;
  } else if (left >= 4 && !(query->has_shape && !shape.is_box) && args.next_is("BYBOX")) {
    TRY(read_box(cx, args, query));
    query->has_shape = true;
  } else if (query->form == Form::kSearchStore && args.next_is("STOREDIST")) {
    query->stores_distance = true;
  } else {
    return false;
  }
  query->has_center = *is_from_place || *is_from_member;
  return true;
}

/// What only GEORADIUS and GEORADIUSBYMEMBER know.
bool take_store_option(Arguments& args, Query* query) {
  if (query->form != Form::kRadius || args.count() < 2) return false;
  if (args.next_is("STORE")) {
    query->stores_distance = false;
  } else if (args.next_is("STOREDIST")) {
    query->stores_distance = true;
  } else {
    return false;
  }
  query->target = args.next();
  return true;
}

/// What all know.
Answer<bool> take_common_option(CommandContext& cx, Arguments& args, Query* query) {
  if (args.next_is("WITHDIST")) {
    query->with_distance = true;
  } else if (args.next_is("WITHHASH")) {
    query->with_hash = true;
  } else if (args.next_is("WITHCOORD")) {
    query->with_place = true;
  } else if (args.next_is("ANY")) {
    query->takes_any = true;
  } else if (args.next_is("ASC")) {
    query->order = Order::kNearest;
  } else if (args.next_is("DESC")) {
    query->order = Order::kFarthest;
  } else if (args.count() >= 2 && args.next_is("COUNT")) {
    TRY_LET(const std::int64_t count, args.next_integer());
    if (count <= 0) return cx.refuse("ERR COUNT must be > 0");
    query->count = static_cast<std::uint64_t>(count);
  } else {
    return false;
  }
  return true;
}

Outcome read_options(CommandContext& cx, Arguments args, const Record* record, Query* query) {
  bool is_from_place = false;
  bool is_from_member = false;
  while (!args.is_empty()) {
    TRY_LET(bool is_taken, take_common_option(cx, args, query));
    if (!is_taken) is_taken = take_store_option(args, query);
    if (!is_taken) {
      TRY_LET(is_taken,
              take_search_option(cx, args, record, query, &is_from_place, &is_from_member));
    }
    if (!is_taken) return Refusal::kSyntax;
  }
  return Outcome::done();
}

Outcome check_options(CommandContext& cx, const Query& query) {
  if (query.target && (query.with_distance || query.with_hash || query.with_place)) {
    const std::string what =
        query.form == Form::kSearchStore ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    return cx.refuse("ERR " + what +
                     " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  }
  if (query.is_search() && !query.has_center) {
    return cx.refuse("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " +
                     std::string(as_c_string(cx.words[0])));
  }
  if (query.is_search() && !query.has_shape) {
    return cx.refuse("ERR exactly one of BYRADIUS and BYBOX can be specified for " +
                     std::string(as_c_string(cx.words[0])));
  }
  if (query.takes_any && query.count == 0) {
    return cx.refuse("ERR the ANY argument requires COUNT argument");
  }
  return Outcome::done();
}

// ---- Searching

/// Looks through the members of an interval; at most `count_max` in `found`, if that is not 0.
void search_interval(const value::ScoreSet& set, const GeoShape& shape,
                     const types::GeoInterval& interval, std::uint64_t count_max,
                     std::vector<FoundPlace>* found) {
  const types::Ranks ranks =
      types::ranks_of(set, types::ScoreRange{{interval.min, false}, {interval.max, true}});
  if (ranks.is_empty()) return;
  value::ElementCursor c = set.at(ranks.first);
  for (std::uint64_t left = ranks.count();; c.next()) {
    const types::Place place = types::place_of_score(c.score());
    if (const auto distance = shape.distance_inside(place)) {
      found->push_back({std::string(c.entry()), c.score(), *distance, place});
    }
    if (--left == 0 || (count_max != 0 && found->size() >= count_max)) return;
  }
}

/// What the reply shows, in its order.
std::vector<FoundPlace> search(const value::ScoreSet& set, const Query& query) {
  std::vector<FoundPlace> found;
  const std::uint64_t enough = query.takes_any ? query.count : 0;
  for (const types::GeoInterval& interval : types::geo_intervals(query.shape)) {
    if (enough != 0 && found.size() >= enough) break;
    search_interval(set, query.shape, interval, enough, &found);
  }
  // The nearest, if not all are wanted and nothing is said.
  Order order = query.order;
  if (query.count != 0 && order == Order::kAny && !query.takes_any) order = Order::kNearest;
  if (order == Order::kNearest) std::ranges::stable_sort(found, {}, &FoundPlace::distance);
  if (order == Order::kFarthest) {
    std::ranges::stable_sort(found, std::greater<>{}, &FoundPlace::distance);
  }
  if (query.count != 0 && query.count < found.size()) {
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(query.count), found.end());
  }
  return found;
}

void reply_found(resp::Reply& reply, const Query& query, const std::vector<FoundPlace>& found) {
  const std::size_t more = static_cast<std::size_t>(query.with_distance) +
                           static_cast<std::size_t>(query.with_hash) +
                           static_cast<std::size_t>(query.with_place);
  reply.array(found.size());
  for (const FoundPlace& one : found) {
    if (more > 0) reply.array(1 + more);
    reply.bulk(one.member);
    if (query.with_distance) reply_distance(reply, one.distance / query.unit);
    if (query.with_hash) reply.integer(static_cast<std::int64_t>(one.score));
    if (query.with_place) reply_place(reply, one.place);
  }
}

/// The key of the request with this name; its shard is held, as for all of them.
const Key& key_named(const CommandContext& cx, Bytes name) {
  return *std::ranges::find_if(cx.keys, [&](const Key& key) { return key.bytes == name; });
}

Outcome answer(CommandContext& cx, const Record* record, const Query& query) {
  std::vector<FoundPlace> found;
  if (record != nullptr) found = search(sorted_set_of(cx, *record), query);
  if (!query.target) {
    reply_found(cx.reply, query, found);
    return Outcome::done();
  }
  std::vector<types::ScoredMember> members;
  members.reserve(found.size());
  for (FoundPlace& one : found) {
    const double score = query.stores_distance ? one.distance / query.unit : one.score;
    members.push_back({score, std::move(one.member)});
  }
  store_sorted_set(cx, key_named(cx, *query.target), members);
  cx.reply.integer(static_cast<std::int64_t>(members.size()));
  return Outcome::done();
}

Outcome search_around_place(CommandContext& cx, Arguments args, Form form) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  Query query{.form = form};
  TRY(read_place(cx, args, &query.shape.center));
  TRY(read_circle(cx, args, &query));
  TRY(read_options(cx, args, record, &query));
  TRY(check_options(cx, query));
  return answer(cx, record, query);
}

Outcome search_around_member(CommandContext& cx, Arguments args, Form form) {
  args.next();
  TRY_LET(const Record* record, cx.keyspace.find(cx.key(), Type::kSortedSet));
  Query query{.form = form};
  const Bytes member = args.next();
  if (record == nullptr) {
    args.next();  // Redis does not look at radius and unit then
    args.next();
  } else {
    TRY(find_center(cx, *record, member, &query.shape));
    TRY(read_circle(cx, args, &query));
  }
  TRY(read_options(cx, args, record, &query));
  TRY(check_options(cx, query));
  return answer(cx, record, query);
}

Outcome search_shape(CommandContext& cx, Arguments args, const Key& source, Query query) {
  TRY_LET(const Record* record, cx.keyspace.find(source, Type::kSortedSet));
  TRY(read_options(cx, args, record, &query));
  TRY(check_options(cx, query));
  return answer(cx, record, query);
}

}  // namespace

/// GEORADIUS key longitude latitude radius unit [options] [STORE key | STOREDIST key]
Outcome georadius(CommandContext& cx, Arguments args) {
  return search_around_place(cx, args, Form::kRadius);
}

/// GEORADIUS_RO key longitude latitude radius unit [options]
Outcome georadius_ro(CommandContext& cx, Arguments args) {
  return search_around_place(cx, args, Form::kRadiusReadOnly);
}

/// GEORADIUSBYMEMBER key member radius unit [options] [STORE key | STOREDIST key]
Outcome georadiusbymember(CommandContext& cx, Arguments args) {
  return search_around_member(cx, args, Form::kRadius);
}

/// GEORADIUSBYMEMBER_RO key member radius unit [options]
Outcome georadiusbymember_ro(CommandContext& cx, Arguments args) {
  return search_around_member(cx, args, Form::kRadiusReadOnly);
}

/// GEOSEARCH key <FROMMEMBER member | FROMLONLAT lon lat> <BYRADIUS r unit | BYBOX w h unit>
/// [options]
Outcome geosearch(CommandContext& cx, Arguments args) {
  args.next();
  return search_shape(cx, args, cx.key(), {.form = Form::kSearch});
}

/// GEOSEARCHSTORE destination source ... [STOREDIST] — how many it stored.
Outcome geosearchstore(CommandContext& cx, Arguments args) {
  const Bytes target = args.next();
  args.next();
  return search_shape(cx, args, cx.keys[1], {.form = Form::kSearchStore, .target = target});
}

}  // namespace diskdb::command::geo
