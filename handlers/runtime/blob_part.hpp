#pragma once

#include <variant>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers {

/// Keeps one part of an upload; for the ask of any domain. Parts may come in any order and again.
/// The last missing one joins them: the answer's `missing` is 0 then, and there is a blob. Refused
/// (invalid) is a part that does not fit its whole, and the last one when the whole turns out to
/// have another hash: all parts are gone then. Parts of an upload that never becomes whole are
/// forgotten after a day.
std::variant<topics::AskResult, topics::Refusal> add_blob_part(const topics::AddBlobPart& part,
                                                               topics::Instant now, db::Tx& tx);

}  // namespace klyuchnik::handlers
