#include "broker/guard/control.h"

#include <string.h>

struct text {
    const char* at;
    size_t bytes;
};

/* Takes the next word; words are separated by exactly one space, so that an empty one, which is
 * what two spaces or one at an end give, is found by whoever reads it. False behind the last. */
static bool take_word(struct text* rest, struct text* word) {
    if (!rest->at) return false;
    const char* space = memchr(rest->at, ' ', rest->bytes);
    word->at = rest->at;
    word->bytes = space ? (size_t)(space - rest->at) : rest->bytes;
    rest->bytes = space ? rest->bytes - word->bytes - 1 : 0;
    rest->at = space ? space + 1 : NULL;
    return true;
}

static bool word_is(struct text word, const char* wanted) {
    return word.bytes == strlen(wanted) && memcmp(word.at, wanted, word.bytes) == 0;
}

static bool read_device(struct text word, char device[KL_DEVICE_NAME_MAX + 1]) {
    if (!kl_is_device_name(word.at, word.bytes)) return false;
    memcpy(device, word.at, word.bytes);
    device[word.bytes] = '\0';
    return true;
}

static bool read_token(struct text word, char token[KL_TOKEN_MAX + 1]) {
    if (word.bytes < 1 || word.bytes > KL_TOKEN_MAX) return false;
    for (size_t i = 0; i < word.bytes; ++i) {
        const char c = word.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-') {
            return false;
        }
    }
    memcpy(token, word.at, word.bytes);
    token[word.bytes] = '\0';
    return true;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool read_credential(struct text word, struct kl_credential* credential) {
    if (word.bytes != 2 + KL_HEX_CHARS || word.at[1] != ':') return false;
    if (word.at[0] != KL_SECRET && word.at[0] != KL_CERTIFICATE) return false;
    credential->kind = (uint8_t)word.at[0];
    for (size_t i = 0; i < KL_HASH_BYTES; ++i) {
        const int high = digit_of(word.at[2 + 2 * i]);
        const int low = digit_of(word.at[3 + 2 * i]);
        if (high < 0 || low < 0) return false;
        credential->hash[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool read_verb(struct text word, enum kl_verb* verb) {
    static const struct {
        const char* word;
        enum kl_verb verb;
    } verbs[] = {{"kick", KL_KICK},   {"set", KL_SET}, {"drop", KL_DROP},
                 {"begin", KL_BEGIN}, {"end", KL_END}, {"tell", KL_TELL}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; ++i) {
        if (word_is(word, verbs[i].word)) {
            *verb = verbs[i].verb;
            return true;
        }
    }
    return false;
}

bool kl_parse_command(const char* line, size_t bytes, struct kl_command* command) {
    struct text rest = {line, bytes};
    struct text word = {NULL, 0};
    memset(command, 0, sizeof *command);
    if (!line || !take_word(&rest, &word) || !read_verb(word, &command->verb)) return false;
    if (!take_word(&rest, &word)) return false;
    switch (command->verb) {
        case KL_BEGIN:
        case KL_END:
        case KL_TELL:
            return read_token(word, command->token) && !rest.at;
        case KL_KICK:
        case KL_DROP:
            return read_device(word, command->device) && !rest.at;
        case KL_SET:
            break;
    }
    if (!read_device(word, command->device)) return false;
    while (take_word(&rest, &word)) {
        if (command->credential_count == KL_CREDENTIALS_MAX) return false;
        if (!read_credential(word, &command->credentials[command->credential_count])) return false;
        ++command->credential_count;
    }
    return command->credential_count > 0;
}

bool kl_take_line(const char** text, size_t* bytes, const char** line, size_t* line_bytes) {
    if (*bytes == 0) return false;
    const char* end = memchr(*text, '\n', *bytes);
    *line = *text;
    *line_bytes = end ? (size_t)(end - *text) : *bytes;
    const size_t taken = *line_bytes + (end ? 1 : 0);
    *text += taken;
    *bytes -= taken;
    return true;
}

bool kl_is_control_payload(const char* payload, size_t bytes) {
    const char* line = NULL;
    size_t line_bytes = 0;
    struct kl_command command;
    if (!payload || bytes == 0) return false;
    while (kl_take_line(&payload, &bytes, &line, &line_bytes)) {
        if (!kl_parse_command(line, line_bytes, &command)) return false;
    }
    return true;
}

bool kl_device_of_malformed(const char* line, size_t bytes, char device[KL_DEVICE_NAME_MAX + 1]) {
    struct text rest = {line, bytes};
    struct text word = {NULL, 0};
    if (!line || !take_word(&rest, &word) || (!word_is(word, "set") && !word_is(word, "drop"))) {
        return false;
    }
    return take_word(&rest, &word) && read_device(word, device);
}

size_t kl_set_line_bytes(size_t name_chars, size_t credential_count) {
    return 4 + name_chars + credential_count * (3 + KL_HEX_CHARS) + 1;
}

size_t kl_format_set(char line[KL_LINE_MAX], const struct kl_device* device) {
    static const char digits[] = "0123456789abcdef";
    const size_t name_chars = strlen(device->name);
    char* at = line;
    memcpy(at, "set ", 4);
    at += 4;
    memcpy(at, device->name, name_chars);
    at += name_chars;
    for (size_t i = 0; i < device->credential_count; ++i) {
        const struct kl_credential* credential = &device->credentials[i];
        *at++ = ' ';
        *at++ = (char)credential->kind;
        *at++ = ':';
        for (size_t k = 0; k < KL_HASH_BYTES; ++k) {
            *at++ = digits[credential->hash[k] >> 4];
            *at++ = digits[credential->hash[k] & 0x0F];
        }
    }
    *at++ = '\n';
    return (size_t)(at - line);
}
