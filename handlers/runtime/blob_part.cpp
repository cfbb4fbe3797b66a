#include "handlers/runtime/blob_part.hpp"

#include <sodium.h>

#include "db/access/documents_store.hpp"
#include "handlers/runtime/document_rules.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

std::optional<std::string> bytes_of_base64(const std::string& text) {
    std::string bytes(text.size(), '\0');
    std::size_t size = 0;
    // libsodium writes bytes; a char is one.
    auto* const out = reinterpret_cast<unsigned char*>(bytes.data());
    if (sodium_base642bin(out, bytes.size(), text.data(), text.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        return std::nullopt;
    }
    bytes.resize(size);
    return bytes;
}

AskResult missing(std::int64_t parts) {
    AskResult result;
    result.missing = parts;
    return result;
}

}  // namespace

std::variant<AskResult, Refusal> add_blob_part(const AddBlobPart& part, Instant now, db::Tx& tx) {
    auto content = bytes_of_base64(part.content);
    if (!content) return Refusal{Code::invalid, "content: expected base64"};
    if (const auto refusal = why_not_part(part, content->size())) return *refusal;
    if (!db::use_blobs(tx, {&part.sha256, 1}, now).empty()) return missing(0);

    const db::BlobParts parts = db::add_blob_part(
        tx, {part.sha256, part.bytes, part.index, part.total, std::move(*content)}, now);
    if (!parts.consistent) {
        return Refusal{Code::invalid, "bytes: other parts of it say otherwise"};
    }
    if (parts.here < part.total) return missing(part.total - parts.here);
    if (!db::join_blob_parts(tx, part.sha256, now)) {
        return Refusal{Code::invalid, "sha256: the parts make up something else"};
    }
    return missing(0);
}

}  // namespace klyuchnik::handlers
