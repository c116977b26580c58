// command/category.h — ACL categories, told from a row: COMMAND INFO prints them, COMMAND LIST
// filters by them, ACL rules name them.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "command/row.h"

namespace diskdb::command {

struct CategoryName {
  Category category;
  Bytes name;
};

/// All categories, in the order COMMAND INFO prints them.
std::span<const CategoryName> category_names();

/// By name, whatever its case.
std::optional<Category> find_category(Bytes name);

/// The row's own categories, or its group's, and those its flags imply.
Category categories_of(const Row& row);

}  // namespace diskdb::command
