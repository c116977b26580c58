#include "command/category.h"

#include "base/number.h"

namespace diskdb::command {
namespace {

constexpr CategoryName kNames[] = {
    {Category::kKeyspace, "keyspace"},
    {Category::kRead, "read"},
    {Category::kWrite, "write"},
    {Category::kSet, "set"},
    {Category::kSortedSet, "sortedset"},
    {Category::kList, "list"},
    {Category::kHash, "hash"},
    {Category::kString, "string"},
    {Category::kBitmap, "bitmap"},
    {Category::kHyperloglog, "hyperloglog"},
    {Category::kGeo, "geo"},
    {Category::kStream, "stream"},
    {Category::kPubsub, "pubsub"},
    {Category::kAdmin, "admin"},
    {Category::kFast, "fast"},
    {Category::kSlow, "slow"},
    {Category::kBlocking, "blocking"},
    {Category::kDangerous, "dangerous"},
    {Category::kConnection, "connection"},
    {Category::kTransaction, "transaction"},
    {Category::kScripting, "scripting"},
    {Category::kJson, "json"},
};

Category of_group(Group group) {
  switch (group) {
    case Group::kGeneric:
      return Category::kKeyspace;
    case Group::kString:
      return Category::kString;
    case Group::kList:
      return Category::kList;
    case Group::kSet:
      return Category::kSet;
    case Group::kSortedSet:
      return Category::kSortedSet;
    case Group::kHash:
      return Category::kHash;
    case Group::kPubsub:
      return Category::kPubsub;
    case Group::kTransactions:
      return Category::kTransaction;
    case Group::kConnection:
      return Category::kConnection;
    case Group::kScripting:
      return Category::kScripting;
    case Group::kHyperloglog:
      return Category::kHyperloglog;
    case Group::kGeo:
      return Category::kGeo;
    case Group::kStream:
      return Category::kStream;
    case Group::kBitmap:
      return Category::kBitmap;
    case Group::kServer:
    case Group::kCluster:
    case Group::kSentinel:
    case Group::kModule:
      return Category::kNone;
  }
  return Category::kNone;
}

}  // namespace

std::span<const CategoryName> category_names() { return kNames; }

std::optional<Category> find_category(Bytes name) {
  for (const CategoryName& row : kNames) {
    if (equals_ignoring_case(row.name, name)) return row.category;
  }
  return std::nullopt;
}

Category categories_of(const Row& row) {
  Category all = row.categories;
  // A mere container does nothing, so it belongs to no group's category.
  if (all == Category::kOfGroup) {
    all = row.function == nullptr ? Category::kNone : of_group(row.group);
  }
  if (row.has(Flag::kWrite)) all = all | Category::kWrite;
  if (row.has(Flag::kReadonly) && !has(all, Category::kScripting)) all = all | Category::kRead;
  if (row.has(Flag::kAdmin)) all = all | Category::kAdmin | Category::kDangerous;
  if (row.has(Flag::kPubsub)) all = all | Category::kPubsub;
  if (row.has(Flag::kBlocking)) all = all | Category::kBlocking;
  return all | (row.has(Flag::kFast) ? Category::kFast : Category::kSlow);
}

}  // namespace diskdb::command
