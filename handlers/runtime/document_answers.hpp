#pragma once

#include <span>
#include <vector>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers {

/// Whether the runtime itself answers it, for a device of any class: doc.info and doc.get.
bool is_document_request(const topics::RequestBody& body);

/// Answers them, with one statement for all. A device sees what was made for it and nothing else. A
/// chunk goes out on dn/ch as it is; facts about a document, and every refusal (unknown_document),
/// as the answer to the request.
std::vector<Outgoing> answer_documents(std::span<const RequestItem> requests, db::Tx& tx);

}  // namespace klyuchnik::handlers
