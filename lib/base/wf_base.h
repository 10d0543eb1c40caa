/* L0: what every other layer stands on. Depends on APR only. */
#ifndef WF_BASE_H
#define WF_BASE_H

#include <apr_errno.h>
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define WF_MUST_CHECK __attribute__((warn_unused_result))
#define WF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* ---- status ------------------------------------------------------------------------------- */

/* What a fallible library call returns. WF_ENOTFOUND is a plain miss and never an outage;
 * WF_EUNAVAIL is an outage and never a miss. */
typedef enum {
    WF_OK = 0,
    WF_ENOTFOUND, /* no such record */
    WF_EINVALID,  /* the caller's input is wrong; ctx->err.public_text says how */
    WF_EDENIED,   /* not allowed: bad signature, undecryptable, wrong password */
    WF_ECONFLICT, /* somebody else was first: a name that is taken, a state that does not allow it */
    WF_ELIMIT,    /* a rate limit, a quota or a size */
    WF_EUNAVAIL,  /* a server we need is down, slow or refusing */
    WF_EINTERNAL, /* our fault */
    WF_ESTALE     /* the caller saw an older version of the record than there is (If-Match) */
} wf_status_t;

const char *wf_status_name(wf_status_t status);

/* ---- log and context ---------------------------------------------------------------------- */

/* Numbers equal httpd's APLOG_* (and syslog's), so that the glue passes them through. */
typedef enum {
    WF_LOG_ERROR = 3,
    WF_LOG_WARNING = 4,
    WF_LOG_NOTICE = 5,
    WF_LOG_INFO = 6,
    WF_LOG_DEBUG = 7,
    WF_LOG_TRACE = 8
} wf_log_level_t;

/* A log number in front of a message: WFLOGNO(0123) "text" gives "WF0123: text".
 * Four digits always; lib 0001-0999, tenant 1000s, flows 2000s, admin 3000s, support 4000s;
 * every number is used in one place only and stands in docs/LOGIDS.md. */
#define WFLOGNO(n) "WF" #n ": "

typedef void wf_log_fn(wf_log_level_t level, const char *file, int line, const char *message,
                       void *baton);

typedef struct {
    wf_log_level_t max; /* messages above this level are not formatted at all */
    wf_log_fn *fn;      /* NULL: no log */
    void *baton;
} wf_log_t;

typedef apr_time_t wf_clock_fn(void *baton);

/* What is wrong with one part of the input. */
typedef struct {
    const char *pointer; /* JSON Pointer into the body; "?limit": a query parameter */
    const char *message; /* safe for the caller */
} wf_fault_t;

/* The first failure of a call, for whoever has to turn it into a reply or an exit code. */
typedef struct {
    wf_status_t status;
    const char *detail;      /* for the operator, begins with WFnnnn; never a secret */
    const char *public_text; /* safe for the caller of our API; NULL: nothing to say */
    const char *code;        /* one word for programs: "slug_taken"; NULL: what the status says */
    apr_array_header_t *faults; /* of wf_fault_t: all that is wrong with the input; NULL: not told apart */
} wf_err_t;

/* Made per request by the httpd glue, per job by a worker, per command by wflowsctl. Used by one
 * thread at a time. Results of library calls live in `pool` unless a header says otherwise. */
typedef struct wf_ctx_t {
    apr_pool_t *pool;
    wf_log_t log;
    const char *request_id; /* "-" where there is none */
    apr_time_t deadline;    /* absolute; 0: none */
    wf_clock_fn *clock;     /* NULL: the system clock; tests set a fixed one */
    void *clock_baton;
    wf_err_t err;
} wf_ctx_t;

/* A context without deadline, request id or error. */
wf_ctx_t *wf_ctx_make(apr_pool_t *pool, const wf_log_t *log);

/* The same request on another pool (a sub-task or a sub-pool); the error slot starts empty. */
wf_ctx_t *wf_ctx_derive(const wf_ctx_t *ctx, apr_pool_t *pool);

/* Records the first failure (later calls do not overwrite it), logs it (WF_ENOTFOUND is not
 * logged; EINVALID, EDENIED, ECONFLICT and ELIMIT at info, the rest at error), returns `status`.
 * `fmt` begins with WFLOGNO(nnnn). */
#define wf_fail(ctx, status, ...) wf_fail_at(ctx, status, __FILE__, __LINE__, __VA_ARGS__)
wf_status_t wf_fail_at(wf_ctx_t *ctx, wf_status_t status, const char *file, int line,
                       const char *fmt, ...) WF_PRINTF(5, 6);

/* As wf_fail, and the text after the log number is also safe to show to the caller. */
#define wf_fail_public(ctx, status, ...)                                                           \
    wf_fail_public_at(ctx, status, __FILE__, __LINE__, __VA_ARGS__)
wf_status_t wf_fail_public_at(wf_ctx_t *ctx, wf_status_t status, const char *file, int line,
                              const char *fmt, ...) WF_PRINTF(5, 6);

/* One more thing that is wrong with the input; the texts are copied. At most WF_FAULTS_MAX are kept. Whoever
 * looked ends with wf_fail_public(ctx, WF_EINVALID, WFLOGNO(…) "%s", wf_faults_text(ctx)). */
#define WF_FAULTS_MAX 100
void wf_fault_add(wf_ctx_t *ctx, const char *pointer, const char *fmt, ...) WF_PRINTF(3, 4);
int wf_has_faults(const wf_ctx_t *ctx);
/* All of them for people: "slug: …; name: …". */
const char *wf_faults_text(const wf_ctx_t *ctx);
/* wf_fail_public with a code of its own, a literal. */
#define wf_fail_code(ctx, status, code, ...)                                                       \
    wf_fail_code_at(ctx, status, code, __FILE__, __LINE__, __VA_ARGS__)
wf_status_t wf_fail_code_at(wf_ctx_t *ctx, wf_status_t status, const char *code, const char *file,
                            int line, const char *fmt, ...) WF_PRINTF(6, 7);

/* Forgets a failure that was handled (a miss, a fallback), so that a later one is recorded. */
void wf_ctx_clear(wf_ctx_t *ctx);

#define wf_log(ctx, level, ...)                                                                    \
    do {                                                                                           \
        if ((ctx)->log.fn && (level) <= (ctx)->log.max)                                            \
            wf_log_at(ctx, level, __FILE__, __LINE__, __VA_ARGS__);                                \
    } while (0)
void wf_log_at(wf_ctx_t *ctx, wf_log_level_t level, const char *file, int line, const char *fmt,
               ...) WF_PRINTF(5, 6);

/* ---- time and chance ---------------------------------------------------------------------- */

/* Microseconds since 1970, from the context's clock. */
apr_time_t wf_now(const wf_ctx_t *ctx);

/* Microseconds of a clock that never jumps, for measuring waits; its zero means nothing. */
apr_time_t wf_monotonic(void);

/* Time left until the deadline: 0 when it has passed, `otherwise` when there is none. */
apr_interval_time_t wf_time_left(const wf_ctx_t *ctx, apr_interval_time_t otherwise);

/* RFC 3339 in UTC with milliseconds, e.g. 2026-03-01T10:20:30.123Z. */
char *wf_time_format(apr_pool_t *pool, apr_time_t t);

/* A date (its first moment, UTC) or a date and time of RFC 3339, which may leave the seconds out (2026-03-01T10:20Z); 0:
 * neither, or no such day or time. */
int wf_time_parse(apr_time_t *out, const char *text);

/* Bytes from the kernel's generator. Only fails (WF_EINTERNAL) when the kernel does. */
wf_status_t wf_rand_bytes(wf_ctx_t *ctx, void *out, size_t len) WF_MUST_CHECK;

/* ---- bounded buffer ----------------------------------------------------------------------- */

/* Grows in a pool up to a compulsory maximum. After the first refused byte `failed` stays set and
 * every later append does nothing, so a builder checks once, at the end. Always NUL-terminated. */
typedef struct {
    apr_pool_t *pool;
    char *data;
    size_t len;
    size_t size;
    size_t max;
    int failed;
} wf_buf_t;

void wf_buf_init(wf_buf_t *buf, apr_pool_t *pool, size_t initial, size_t max);
void wf_buf_add(wf_buf_t *buf, const void *data, size_t len);
void wf_buf_puts(wf_buf_t *buf, const char *text);
void wf_buf_putc(wf_buf_t *buf, char c);
void wf_buf_put_int(wf_buf_t *buf, int64_t n);
void wf_buf_printf(wf_buf_t *buf, const char *fmt, ...) WF_PRINTF(2, 3);
/* Room for `len` more bytes to be written at data+len by the caller, who then adds to `len`;
 * NULL past the maximum. */
char *wf_buf_reserve(wf_buf_t *buf, size_t len);

/* Takes the next piece of a stream; anything but WF_OK ends the stream with that status. */
typedef wf_status_t wf_bytes_fn(wf_ctx_t *ctx, const void *data, size_t len, void *baton);

/* ---- text --------------------------------------------------------------------------------- */

/* Bytes with a length; not NUL-terminated unless said. */
typedef struct {
    const char *data;
    size_t len;
} wf_slice_t;

/* Lower-case hex of `len` bytes, NUL-terminated. */
char *wf_hex(apr_pool_t *pool, const void *data, size_t len);
/* 2*len hex digits of either case to bytes; 0 if any is not a digit. */
int wf_hex_decode(unsigned char *out, const char *hex, size_t len);

/* Standard alphabet with padding, NUL-terminated. */
char *wf_base64(apr_pool_t *pool, const void *data, size_t len);
/* Room wf_base64_encode needs, without a NUL. */
#define WF_BASE64_LEN(n) (((n) + 2) / 3 * 4)
size_t wf_base64_encode(char *out, const void *data, size_t len);
/* URL alphabet without padding (RFC 4648 section 5), NUL-terminated. */
char *wf_base64url(apr_pool_t *pool, const void *data, size_t len);

/* Decodes the standard alphabet; padding may be missing, anything else is refused: returns 0.
 * `out` needs WF_BASE64_MAX(len) bytes. On success sets *out_len and returns 1. */
#define WF_BASE64_MAX(n) ((n) / 4 * 3 + 3)
int wf_base64_decode(unsigned char *out, size_t *out_len, const char *text, size_t len);
int wf_base64url_decode(unsigned char *out, size_t *out_len, const char *text, size_t len);

/* UUIDs as the 36-character lower-case text. v7 (RFC 9562) sorts by time: good primary keys. */
#define WF_UUID_LEN 36
wf_status_t wf_uuid_v7(wf_ctx_t *ctx, char out[WF_UUID_LEN + 1]) WF_MUST_CHECK;
/* The same of random bytes that the caller drew (with others that it needs, in one call of the kernel). */
#define WF_UUID_RANDOM 10
void wf_uuid_v7_of(char out[WF_UUID_LEN + 1], apr_time_t now,
                   const unsigned char random[WF_UUID_RANDOM]);
/* Any version, either case. */
int wf_uuid_is(const char *text);
int wf_uuid_decode(unsigned char out[16], const char *text);
void wf_uuid_encode(char out[WF_UUID_LEN + 1], const unsigned char in[16]);

/* DESIGN.md section 1: ^[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])?$ */
int wf_slug_is(const char *text);

/* NULL if this is an http or https URL of at most WF_URL_MAX bytes, without a user, that has nothing two
 * parsers could read differently; else what is wrong with it. Only the form: no look-up. */
#define WF_URL_MAX 2048
const char *wf_url_fault(const char *url);
/* The same, and its parts, borrowed from `url`; all empty where something is wrong with it. */
typedef struct {
    int is_https;
    wf_slice_t host; /* an IPv6 address with its brackets */
    wf_slice_t port; /* len 0: none is given */
    const char *rest; /* path, query, fragment: "" if there is none */
} wf_url_t;
const char *wf_url_split(wf_url_t *out, const char *url);

/* 1 if `len` bytes are valid UTF-8 without NUL. */
int wf_utf8_is(const char *text, size_t len);
/* Characters (code points) in valid UTF-8. */
size_t wf_utf8_count(const char *text, size_t len);

/* Decimal digits only, within [min, max]; 1 on success. */
int wf_parse_int(int64_t *out, const char *text, int64_t min, int64_t max);

#endif
