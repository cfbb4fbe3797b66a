#include "handlers/runtime/document_answers.hpp"

#include "db/access/documents_store.hpp"
#include "topics/chunk.hpp"
#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

db::WantedDocument wanted_by(const RequestItem& item) {
    if (const auto* get = std::get_if<DocumentGet>(&item.request.body)) {
        return {item.device, get->document, Version{get->version}, get->index};
    }
    const auto& asked = std::get<DocumentInfo>(item.request.body);
    return {item.device, asked.document, Version{asked.version}, std::nullopt};
}

/// The first bytes of a hash in hexadecimal.
DocumentTag tag_of_hex(const std::string& hex) {
    DocumentTag tag{};
    for (std::size_t i = 0; i < tag.size(); ++i) {
        tag[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(i * 2, 2), nullptr, 16));
    }
    return tag;
}

Outgoing answer(const RequestItem& item, const RequestAnswer& answer) {
    return {device_topic(item.device, Level::answer), encode(answer)};
}

Outgoing refused(const RequestItem& item) {
    RequestAnswer refusal = item.answer;
    refuse(refusal, {Code::unknown_document, ""});
    return answer(item, refusal);
}

Outgoing answered(const RequestItem& item, const db::WantedDocument& wanted,
                  const db::FoundDocument& found) {
    const std::int64_t chunk_bytes = chunk_bytes_for(found.packet_bytes_max);
    const std::int64_t total = chunks_of(found.bytes, chunk_bytes);
    if (!wanted.index) {
        RequestAnswer facts = item.answer;
        facts.document = DocumentFacts{found.version.value, found.bytes, found.sha256, chunk_bytes};
        return answer(item, facts);
    }
    if (*wanted.index >= total) return refused(item);
    Chunk chunk;
    chunk.document = tag_of_hex(found.sha256);
    chunk.index = static_cast<std::uint32_t>(*wanted.index);
    chunk.total = static_cast<std::uint32_t>(total);
    chunk.bytes = found.chunk;
    return {device_topic(item.device, Level::chunk_down), encode(chunk)};
}

}  // namespace

bool is_document_request(const RequestBody& body) {
    return std::holds_alternative<DocumentInfo>(body) || std::holds_alternative<DocumentGet>(body);
}

std::vector<Outgoing> answer_documents(std::span<const RequestItem> requests, db::Tx& tx) {
    std::vector<db::WantedDocument> wanted;
    wanted.reserve(requests.size());
    for (const RequestItem& item : requests) wanted.push_back(wanted_by(item));
    std::vector<const db::FoundDocument*> found(requests.size(), nullptr);
    const auto rows = db::find_documents(tx, wanted);
    for (const db::FoundDocument& row : rows) found.at(row.number) = &row;
    std::vector<Outgoing> out;
    out.reserve(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        out.push_back(found[i] ? answered(requests[i], wanted[i], *found[i])
                               : refused(requests[i]));
    }
    return out;
}

}  // namespace klyuchnik::handlers
