#include "broker/guard/devices_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/guard/control.h"

static const char kBeside[] = ".new";

bool kl_devices_file_init(struct kl_devices_file* file, const char* path) {
    memset(file, 0, sizeof *file);
    if (strlen(path) + sizeof kBeside > sizeof file->path) return false;
    strncpy(file->path, path, sizeof file->path - 1);
    return true;
}

static bool apply(struct kl_credentials* table, const char* line, size_t bytes,
                  struct kl_loaded* loaded) {
    struct kl_command command;
    if (!kl_parse_command(line, bytes, &command)) return false;
    if (command.verb == KL_DROP) {
        (void)kl_credentials_drop(table, command.device);
        return true;
    }
    if (command.verb != KL_SET) return false;
    if (kl_credentials_set(table, command.device, command.credentials, command.credential_count) ==
        KL_SET_FULL) {
        ++loaded->full;
    }
    return true;
}

static void read_lines(FILE* stream, struct kl_credentials* table, struct kl_loaded* loaded) {
    char* line = NULL;
    size_t capacity = 0;
    ssize_t got = 0;
    errno = 0;
    while ((got = getline(&line, &capacity, stream)) > 0) {
        char device[KL_DEVICE_NAME_MAX + 1];
        size_t bytes = (size_t)got;
        const bool is_whole = line[bytes - 1] == '\n';
        if (is_whole) --bytes;
        if (is_whole && apply(table, line, bytes, loaded)) continue;
        ++loaded->garbage;
        if (kl_device_of_malformed(line, bytes, device)) (void)kl_credentials_drop(table, device);
    }
    if (!feof(stream)) loaded->error = errno ? errno : EIO;
    free(line);
}

struct kl_loaded kl_devices_file_load(struct kl_devices_file* file, struct kl_credentials* table) {
    struct kl_loaded loaded = {false, 0, 0, 0};
    struct stat found;
    FILE* stream = NULL;
    const int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) {
        loaded.was_missing = errno == ENOENT;
        if (!loaded.was_missing) loaded.error = errno;
    } else if (fstat(descriptor, &found) != 0) {
        loaded.error = errno;
    } else if (!S_ISREG(found.st_mode)) {
        loaded.error = EINVAL;
    } else if (found.st_size > KL_FILE_BYTES_MAX) {
        loaded.error = EFBIG;
    } else {
        stream = fdopen(descriptor, "r");
        if (!stream) loaded.error = errno;
    }
    if (stream) {
        file->bytes = (size_t)found.st_size;
        read_lines(stream, table, &loaded);
        (void)fclose(stream);
    } else if (descriptor >= 0) {
        (void)close(descriptor);
    }
    file->must_be_anew = loaded.error != 0 || loaded.garbage > 0;
    return loaded;
}

static bool print_device(const struct kl_device* device, void* stream) {
    char line[KL_LINE_MAX];
    const size_t bytes = kl_format_set(line, device);
    return fwrite(line, 1, bytes, stream) == bytes;
}

static int write_anew(struct kl_devices_file* file, const struct kl_credentials* table) {
    char beside[KL_FILE_PATH_MAX + sizeof kBeside];
    int error = 0;
    (void)snprintf(beside, sizeof beside, "%s%s", file->path, kBeside);
    (void)unlink(beside); /* Of a broker that died while it wrote. */
    const int descriptor =
        open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (descriptor < 0) return errno;
    FILE* stream = fdopen(descriptor, "w");
    if (!stream) {
        error = errno;
        (void)close(descriptor);
    } else {
        errno = 0;
        if (!kl_credentials_each(table, print_device, stream)) error = errno ? errno : EIO;
        if (fclose(stream) != 0 && !error) error = errno;
    }
    if (!error && rename(beside, file->path) != 0) error = errno;
    if (error) (void)unlink(beside);
    return error;
}

static int append(const struct kl_devices_file* file, const char* text, size_t bytes) {
    int error = 0;
    const int descriptor =
        open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (descriptor < 0) return errno;
    const ssize_t written = write(descriptor, text, bytes);
    /* Half a line at the end of the file is garbage; the whole table will take its place. */
    if (written < 0) error = errno;
    if (written >= 0 && (size_t)written != bytes) error = ENOSPC;
    if (close(descriptor) != 0 && !error) error = errno;
    return error;
}

int kl_devices_file_record(struct kl_devices_file* file, const struct kl_credentials* table,
                           const char* text, size_t bytes, bool whole) {
    const size_t needed = kl_credentials_text_bytes(table);
    int error = 0;
    if (!whole && bytes == 0) return 0;
    if (whole || file->must_be_anew || file->bytes + bytes > 2 * needed + KL_FILE_SLACK_BYTES) {
        error = write_anew(file, table);
        if (!error) file->bytes = needed;
    } else {
        error = append(file, text, bytes);
        if (!error) file->bytes += bytes;
    }
    file->must_be_anew = error != 0;
    return error;
}
