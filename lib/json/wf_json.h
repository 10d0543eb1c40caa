/* L1: JSON. The only user of json-c, which nobody else sees.
 *
 * Ownership: every value that a function here returns as "new" belongs to the pool it was made in.
 * Putting a value into an object or array shares it (a reference is counted), so nothing is ever
 * handed over or freed by hand; only an object that was parsed must not outlive the pool it was
 * parsed in, which has its names. Values read out of a container are borrowed from it. A value is
 * used by one thread at a time, and shared values must not be changed behind another's back:
 * wf_json_copy first. */
#ifndef WF_JSON_H
#define WF_JSON_H

#include "base/wf_base.h"

typedef struct wf_json_t wf_json_t; /* opaque; NULL is "absent" everywhere and never JSON null */

typedef enum {
    WF_JSON_ABSENT = 0, /* the pointer was NULL */
    WF_JSON_NULL,
    WF_JSON_BOOLEAN,
    WF_JSON_NUMBER,
    WF_JSON_STRING,
    WF_JSON_ARRAY,
    WF_JSON_OBJECT
} wf_json_type_t;

#define WF_JSON_DEPTH_DEFAULT 64

/* Parses exactly one value of valid UTF-8 (RFC 8259), nothing but white space around it. Numbers
 * beyond 64 bits or double range are kept as doubles or saturate; they never fail. Of duplicate
 * keys the last one counts. Expected failure: WF_EINVALID, whose public text names line and
 * column. `depth` 0 means WF_JSON_DEPTH_DEFAULT. */
wf_status_t wf_json_parse(wf_ctx_t *ctx, wf_json_t **out, const char *text, size_t len,
                          int depth) WF_MUST_CHECK;
/* The same; its values remember where they stand in `text`, which must live as long: wf_json_span. They cannot
 * be copied (wf_json_copy): parse the span anew. */
wf_status_t wf_json_parse_spans(wf_ctx_t *ctx, wf_json_t **out, const char *text, size_t len,
                                int depth) WF_MUST_CHECK;
/* The text of a value as it was sent, every escape and every duplicate member included; not
 * NUL-terminated. {NULL, 0} for one that was not parsed so, for null, and for a number with a fraction:
 * of these wf_json_text gives the same text. */
wf_slice_t wf_json_span(const wf_json_t *v);

/* ---- parts: an object's members as they stand in its text, for where no tree is needed ------ */

typedef struct {
    const char *name; /* set by the caller */
    wf_slice_t text;  /* of the value, nothing around it; borrowed; data NULL: absent */
} wf_json_part_t;

/* Takes and refuses what wf_json_parse does, and what is no object (WF_EINVALID). Members that `parts`
 * does not name are checked and passed over; of duplicate keys the last one counts. */
wf_status_t wf_json_split(wf_ctx_t *ctx, wf_json_part_t *parts, size_t count, const char *text,
                          size_t len, int depth) WF_MUST_CHECK;
wf_json_type_t wf_json_part_type(const wf_json_part_t *part);
/* What a string says; not NUL-terminated and borrowed, or in `pool` where it has escapes. `data` NULL: it is no
 * string. */
wf_slice_t wf_json_part_str(apr_pool_t *pool, const wf_json_part_t *part);
/* 1 if it is a number of 64 bits, written without fraction or exponent. */
int wf_json_part_int(int64_t *out, const wf_json_part_t *part);

/* ---- types -------------------------------------------------------------------------------- */

wf_json_type_t wf_json_type(const wf_json_t *v);
/* "object", "array", "string", "number", "boolean", "null", "absent" */
const char *wf_json_type_name(wf_json_type_t type);

/* ---- reading (all borrowed) --------------------------------------------------------------- */

/* Member of an object; NULL if absent or `v` is no object. JSON null comes back as a value of
 * type WF_JSON_NULL. */
wf_json_t *wf_json_get(const wf_json_t *v, const char *key);
int wf_json_has(const wf_json_t *v, const char *key);
/* Elements of an array or members of an object; 0 for anything else. */
size_t wf_json_len(const wf_json_t *v);
wf_json_t *wf_json_at(const wf_json_t *v, size_t index);

/* for (wf_json_iter_t i = wf_json_iter(obj); wf_json_next(&i);) … i.key, i.value …
 * In order of appearance. The object must not be changed meanwhile. */
typedef struct {
    const char *key;
    wf_json_t *value;
    void *next; /* private */
} wf_json_iter_t;
wf_json_iter_t wf_json_iter(const wf_json_t *object);
int wf_json_next(wf_json_iter_t *iter);

/* NUL-terminated text of a string value, else NULL. May hold NUL bytes: see wf_json_str_len. */
const char *wf_json_str(const wf_json_t *v);
size_t wf_json_str_len(const wf_json_t *v);
/* The member's text, or `otherwise` where it is absent or no string. */
const char *wf_json_get_str(const wf_json_t *object, const char *key, const char *otherwise);
int64_t wf_json_get_int(const wf_json_t *object, const char *key, int64_t otherwise);
int wf_json_get_bool(const wf_json_t *object, const char *key, int otherwise);
/* Value of a number, else 0. */
double wf_json_number(const wf_json_t *v);
int64_t wf_json_int(const wf_json_t *v);
/* 1 if a number without fraction. */
int wf_json_is_int(const wf_json_t *v);
int wf_json_bool(const wf_json_t *v);

/* Deep equality; numbers by value; members in any order. */
int wf_json_equal(const wf_json_t *a, const wf_json_t *b);
/* Type and content depth-first: 1 if a JSON null is anywhere inside. */
int wf_json_has_null(const wf_json_t *v);

/* ---- building (all new, in `pool`) -------------------------------------------------------- */

wf_json_t *wf_json_object_make(apr_pool_t *pool);
wf_json_t *wf_json_array_make(apr_pool_t *pool);
wf_json_t *wf_json_str_make(apr_pool_t *pool, const char *text);
wf_json_t *wf_json_strn_make(apr_pool_t *pool, const char *text, size_t len);
wf_json_t *wf_json_int_make(apr_pool_t *pool, int64_t n);
wf_json_t *wf_json_number_make(apr_pool_t *pool, double n);
wf_json_t *wf_json_bool_make(apr_pool_t *pool, int b);
wf_json_t *wf_json_null_make(apr_pool_t *pool);
/* Deep. */
wf_json_t *wf_json_copy(apr_pool_t *pool, const wf_json_t *v);
/* A new object that shares the members of `object`; empty where that is none. Must not outlive it. */
wf_json_t *wf_json_object_copy(apr_pool_t *pool, const wf_json_t *object);

/* Share `value` as a member (replacing an older one) or as the last element. A NULL value sets
 * nothing. */
void wf_json_set(wf_json_t *object, const char *key, wf_json_t *value);
void wf_json_push(wf_json_t *array, wf_json_t *value);
void wf_json_remove(wf_json_t *object, const char *key);
/* Shorthands; a NULL text sets nothing. */
void wf_json_set_str(wf_json_t *object, const char *key, const char *text);
void wf_json_set_int(wf_json_t *object, const char *key, int64_t n);
void wf_json_set_bool(wf_json_t *object, const char *key, int b);

/* Compact text, `/` not escaped, at the end of `out`. */
void wf_json_write(wf_buf_t *out, const wf_json_t *v);
/* The same for a string that is no value yet. */
void wf_json_write_str(wf_buf_t *out, const char *text, size_t len);
/* wf_json_write into `pool`. `len` may be NULL. */
const char *wf_json_text(apr_pool_t *pool, const wf_json_t *v, size_t *len);
/* Indented, for people. */
const char *wf_json_text_pretty(apr_pool_t *pool, const wf_json_t *v);

/* ---- places ------------------------------------------------------------------------------- */

/* RFC 6901: `pointer` with one more token, escaped (~0, ~1). */
char *wf_json_pointer_add(apr_pool_t *pool, const char *pointer, const char *token);
char *wf_json_pointer_add_index(apr_pool_t *pool, const char *pointer, size_t index);
/* The value a pointer names, or NULL. "" is the document. */
wf_json_t *wf_json_pointer_get(const wf_json_t *doc, const char *pointer);

typedef struct {
    int line_start, column_start; /* from 1; columns count bytes */
    int line_end, column_end;     /* of the last byte */
} wf_json_span_t;

/* Where the value named by `pointer` stands in `text`, which wf_json_parse has accepted. The
 * span of a member covers its key too. Returns 0 if there is no such value. */
int wf_json_locate(wf_json_span_t *span, const char *text, size_t len, const char *pointer);
/* The same for `count` pointers in one walk over the text; zeros where there is no such value.
 * `pool` is for scratch. */
void wf_json_locate_many(apr_pool_t *pool, wf_json_span_t *spans, const char *text, size_t len,
                         const char *const *pointers, size_t count);

#endif
