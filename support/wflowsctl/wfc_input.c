/* Values from options, files and standard input, each bounded. */
#include "wfc.h"

#include <apr_file_io.h>
#include <apr_lib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX 16384
#define OBJECT_MAX (1024 * 1024)

/* ---- files ----------------------------------------------------------------------------------- */

/* Everything up to the end, at most `max` bytes, into memory that is wiped. */
static wf_status_t read_all(wfc_t *c, wf_secret_t *out, apr_file_t *file, const char *name,
                            size_t max)
{
    size_t size = 65536, len = 0;
    unsigned char *data = wf_secret_alloc(c->pool, size + 1);
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS) {
        apr_size_t n = size - len;

        if (n == 0) {
            unsigned char *more = wf_secret_alloc(c->pool, size * 4 + 1);
            memcpy(more, data, len);
            data = more;
            size *= 4;
            continue;
        }
        rv = apr_file_read(file, data + len, &n);
        len += rv == APR_SUCCESS ? n : 0;
        if (len > max) {
            return wf_fail_public(c->ctx, WF_ELIMIT, WFLOGNO(4010) "%s has more than %lu bytes",
                                  name, (unsigned long)max);
        }
    }
    if (rv != APR_EOF) {
        char why[128];
        return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4011) "%s cannot be read: %s", name,
                              apr_strerror(rv, why, sizeof(why)));
    }
    data[len] = '\0';
    out->data = data;
    out->len = len;
    return WF_OK;
}

static wf_status_t take_stdin(wfc_t *c, apr_file_t **out)
{
    *out = NULL;
    if (c->stdin_taken) {
        return wfc_usage(c, "standard input (-) can be named only once");
    }
    c->stdin_taken = 1;
    if (apr_file_open_stdin(out, c->pool) != APR_SUCCESS) {
        return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4012) "there is no standard input");
    }
    return WF_OK;
}

wf_status_t wfc_read_file(wfc_t *c, const char **data, size_t *len, const char *path, size_t max)
{
    apr_file_t *file = NULL;
    wf_secret_t text = {NULL, 0};
    apr_status_t rv;
    wf_status_t st;
    char why[128];

    *data = NULL;
    *len = 0;
    if (strcmp(path, "-") == 0) {
        st = take_stdin(c, &file);
        if (st != WF_OK) {
            return st;
        }
        st = read_all(c, &text, file, "standard input", max);
    } else {
        rv = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, c->pool);
        if (rv != APR_SUCCESS) {
            return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4013) "%s cannot be opened: %s",
                                  path, apr_strerror(rv, why, sizeof(why)));
        }
        st = read_all(c, &text, file, path, max);
        apr_file_close(file);
    }
    if (st == WF_OK) {
        *data = (const char *)text.data;
        *len = text.len;
    }
    return st;
}

static wf_status_t not_written(wfc_t *c, const char *path, apr_status_t rv)
{
    char why[128];

    return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4015) "%s cannot be written: %s", path,
                          apr_strerror(rv, why, sizeof(why)));
}

wf_status_t wfc_file_create(wfc_t *c, apr_file_t **out, const char *path, int secret)
{
    apr_int32_t flags =
        APR_FOPEN_WRITE | APR_FOPEN_CREATE | (secret ? APR_FOPEN_EXCL : APR_FOPEN_TRUNCATE);
    apr_fileperms_t mode = secret ? APR_FPROT_UREAD | APR_FPROT_UWRITE : APR_FPROT_OS_DEFAULT;
    apr_status_t rv = apr_file_open(out, path, flags, mode, c->pool);

    if (APR_STATUS_IS_EEXIST(rv)) {
        c->hint = "A file that may hold a secret is never overwritten: name another one, or move "
                  "it away.";
        return wf_fail_public(c->ctx, WF_ECONFLICT, WFLOGNO(4014) "%s exists already", path);
    }
    return rv == APR_SUCCESS ? WF_OK : not_written(c, path, rv);
}

wf_status_t wfc_file_finish(wfc_t *c, apr_file_t *file, const char *path, const char *text)
{
    apr_status_t rv = apr_file_write_full(file, text, strlen(text), NULL);

    rv = rv == APR_SUCCESS ? apr_file_close(file) : rv;
    return rv == APR_SUCCESS ? WF_OK : not_written(c, path, rv);
}

wf_status_t wfc_write_file(wfc_t *c, const char *path, const char *text, int secret)
{
    apr_file_t *file;
    wf_status_t st = wfc_file_create(c, &file, path, secret);

    return st == WF_OK ? wfc_file_finish(c, file, path, text) : st;
}

/* ---- secrets --------------------------------------------------------------------------------- */

static wf_status_t secret_from_stdin(wfc_t *c, wf_secret_t *out, const char *option)
{
    apr_file_t *file;
    apr_size_t size = 1024;
    wf_status_t st = take_stdin(c, &file);

    if (st != WF_OK) {
        return st;
    }
    if (!isatty(STDIN_FILENO)) {
        return read_all(c, out, file, "standard input", SECRET_MAX);
    }
    out->data = wf_secret_alloc(c->pool, size + 1);
    if (apr_password_get(apr_pstrcat(c->pool, option, " (not shown): ", NULL), (char *)out->data,
                         &size) != APR_SUCCESS) {
        return wf_fail_public(c->ctx, WF_EINVALID,
                              WFLOGNO(4016) "%s: nothing was read from the terminal", option);
    }
    out->len = strlen((char *)out->data);
    return WF_OK;
}

wf_status_t wfc_source_read(wfc_t *c, const char **text, const char *option, const char *source,
                            int inline_ok)
{
    wf_secret_t secret = {NULL, 0};
    wf_status_t st;

    *text = NULL;
    st = strcmp(source, "-") == 0 ? secret_from_stdin(c, &secret, option)
                                  : wf_source_read(c->ctx, &secret, source, inline_ok);
    if (st != WF_OK) {
        return st;
    }
    while (secret.len > 0 && strchr(" \t\r\n", secret.data[secret.len - 1])) {
        secret.data[--secret.len] = '\0';
    }
    if (secret.len == 0) {
        return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4017) "%s: the source gives nothing",
                              option);
    }
    if (strlen((char *)secret.data) != secret.len) {
        return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4018) "%s: the source holds a NUL byte",
                              option);
    }
    *text = (const char *)secret.data;
    return WF_OK;
}

wf_status_t wfc_secret_opt(wfc_t *c, const char **text, const char *option)
{
    const char *source = wfc_opt(c, option);

    *text = NULL;
    return source ? wfc_source_read(c, text, apr_pstrcat(c->pool, "--", option, NULL), source, 0)
                  : WF_OK;
}

int wfc_has_password(const char *connection)
{
    const char *at, *scheme = strstr(connection, "://");

    if (strstr(connection, "password=") || strstr(connection, "password =")) {
        return 1;
    }
    if (!scheme) {
        return 0;
    }
    /* user:password@host */
    scheme += 3;
    at = strpbrk(scheme, "@/?");
    return at && *at == '@' && memchr(scheme, ':', (size_t)(at - scheme)) != NULL;
}

/* ---- numbers and times ----------------------------------------------------------------------- */

static int parse_duration(apr_interval_time_t *out, const char *text)
{
    static const struct {
        const char *unit;
        apr_interval_time_t us;
    } units[] = {{"ms", 1000},
                 {"s", APR_USEC_PER_SEC},
                 {"m", 60 * APR_USEC_PER_SEC},
                 {"min", 60 * APR_USEC_PER_SEC},
                 {"h", 3600 * APR_USEC_PER_SEC},
                 {"d", 86400 * APR_USEC_PER_SEC}};
    size_t digits = strspn(text, "0123456789"), i;
    char number[16];
    int64_t n;

    if (digits == 0 || digits >= sizeof(number)) {
        return 0;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    /* A year is more than anything here needs, and keeps the product far from overflow. */
    if (!wf_parse_int(&n, number, 0, INT64_C(366) * 86400 * 1000)) {
        return 0;
    }
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) == 0 &&
            n <= INT64_C(366) * 86400 * APR_USEC_PER_SEC / units[i].us) {
            *out = n * units[i].us;
            return 1;
        }
    }
    return 0;
}

wf_status_t wfc_duration_opt(wfc_t *c, apr_interval_time_t *out, const char *option,
                             apr_interval_time_t otherwise)
{
    const char *text = wfc_opt(c, option);

    *out = otherwise;
    if (text && !parse_duration(out, text)) {
        return wfc_usage(
            c, "--%s: '%s' is no duration; write 250ms, 30s, 10m, 24h or 7d (a year at most)",
            option, text);
    }
    return WF_OK;
}

wf_status_t wfc_time_opt(wfc_t *c, apr_time_t *out, const char *option, apr_time_t now,
                         apr_time_t otherwise)
{
    const char *text = wfc_opt(c, option);
    apr_interval_time_t ago;

    *out = otherwise;
    if (!text) {
        return WF_OK;
    }
    if (parse_duration(&ago, text)) {
        *out = now - ago;
    } else if (!wf_time_parse(out, text) || *out <= 0) {
        return wfc_usage(c,
                         "--%s: '%s' is no time; write 2026-11-22T18:00:00Z (UTC), 2026-11-22, or "
                         "how long ago: 30m, 6h, 2d",
                         option, text);
    }
    return WF_OK;
}

wf_status_t wfc_int_opt(wfc_t *c, int64_t *out, const char *option, int64_t otherwise, int64_t min,
                        int64_t max)
{
    const char *text = wfc_opt(c, option);

    *out = otherwise;
    if (text && !wf_parse_int(out, text, min, max)) {
        return wfc_usage(
            c, "--%s: '%s' is no whole number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT,
            option, text, min, max);
    }
    return WF_OK;
}

wf_status_t wfc_rate_opt(wfc_t *c, int64_t *max, int64_t *window_ms, const char *option)
{
    const char *text = wfc_opt(c, option), *slash;
    apr_interval_time_t window = 0;
    int64_t n;

    if (!text) {
        return WF_OK;
    }
    if (strcmp(text, "off") == 0) {
        *max = 0;
        return WF_OK;
    }
    slash = strchr(text, '/');
    if (!slash ||
        !wf_parse_int(&n, apr_pstrmemdup(c->pool, text, (apr_size_t)(slash - text)), 1,
                      INT32_MAX) ||
        !parse_duration(&window, slash + 1) || window < APR_USEC_PER_SEC ||
        window > 86400 * APR_USEC_PER_SEC) {
        return wfc_usage(
            c,
            "--%s: '%s' is no rate; write requests/window, e.g. 600/60s (a window is 1s to 24h), "
            "or off",
            option, text);
    }
    *max = n;
    *window_ms = window / 1000;
    return WF_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

wf_status_t wfc_object_opt(wfc_t *c, wf_json_t **out, const char *option)
{
    const char *text = wfc_opt(c, option);
    wf_json_t *value = NULL;
    size_t len;
    wf_status_t st;

    *out = NULL;
    if (!text) {
        return WF_OK;
    }
    len = strlen(text);
    if (text[0] == '@') {
        st = wfc_read_file(c, &text, &len, text + 1, OBJECT_MAX);
        if (st != WF_OK) {
            return st;
        }
    }
    c->hint = apr_psprintf(c->pool, "--%s takes a JSON object, or @FILE that holds one.", option);
    st = wf_json_parse(c->ctx, &value, text, len, 0);
    if (st != WF_OK) {
        return st;
    }
    if (wf_json_type(value) != WF_JSON_OBJECT) {
        return wf_fail_public(c->ctx, WF_EINVALID,
                              WFLOGNO(4019) "--%s is JSON, but %s and not an object", option,
                              wf_json_type_name(wf_json_type(value)));
    }
    c->hint = NULL;
    *out = value;
    return WF_OK;
}
