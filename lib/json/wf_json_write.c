/* Values to compact text. json-c's own writer fills a buffer in each value it is asked for, a few
 * bytes at a time, and that buffer then has to be copied. */
#include "json/wf_json_int.h"

#include <json-c/json.h>
#include <string.h>

#define TEXT_USUAL 512

static void write_escape(wf_buf_t *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef", from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

    if (found) {
        text[1] = to[found - from];
    }
    wf_buf_add(out, text, found ? 2 : 6);
}

void wf_json_write_str(wf_buf_t *out, const char *text, size_t len)
{
    const char *end = text + len, *special = wf_json_plain_end(text, end);
    char *room = special == end ? wf_buf_reserve(out, len + 2) : NULL;

    if (room) { /* nearly always */
        room[0] = '"';
        memcpy(room + 1, text, len);
        memcpy(room + 1 + len, "\"", 2);
        out->len += len + 2;
        return;
    }
    wf_buf_putc(out, '"');
    while ((special = wf_json_plain_end(text, end)) < end) {
        wf_buf_add(out, text, (size_t)(special - text));
        write_escape(out, (unsigned char)*special);
        text = special + 1;
    }
    wf_buf_add(out, text, (size_t)(end - text));
    wf_buf_putc(out, '"');
}

/* json-c knows how a fraction was spelled, and has whole numbers that int64_t does not. */
static void write_number(wf_buf_t *out, const wf_json_t *v)
{
    struct json_object *o = (struct json_object *)(uintptr_t)v;
    int64_t n = json_object_get_int64(o);

    if (json_object_is_type(o, json_type_int) && n != INT64_MAX) {
        wf_buf_put_int(out, n);
    } else {
        wf_buf_puts(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    }
}

void wf_json_write(wf_buf_t *out, const wf_json_t *v)
{
    char before;
    size_t i;

    switch (wf_json_type(v)) {
    case WF_JSON_OBJECT:
        before = '{';
        for (wf_json_iter_t it = wf_json_iter(v); wf_json_next(&it); before = ',') {
            wf_buf_putc(out, before);
            wf_json_write_str(out, it.key, strlen(it.key));
            wf_buf_putc(out, ':');
            wf_json_write(out, it.value);
        }
        wf_buf_puts(out, before == '{' ? "{}" : "}");
        break;
    case WF_JSON_ARRAY:
        wf_buf_putc(out, '[');
        for (i = 0; i < wf_json_len(v); i++) {
            wf_buf_puts(out, i ? "," : "");
            wf_json_write(out, wf_json_at(v, i));
        }
        wf_buf_putc(out, ']');
        break;
    case WF_JSON_STRING:
        wf_json_write_str(out, wf_json_str(v), wf_json_str_len(v));
        break;
    case WF_JSON_NUMBER:
        write_number(out, v);
        break;
    case WF_JSON_BOOLEAN:
        wf_buf_puts(out, wf_json_bool(v) ? "true" : "false");
        break;
    default:
        wf_buf_puts(out, "null");
        break;
    }
}

const char *wf_json_text(apr_pool_t *pool, const wf_json_t *v, size_t *len)
{
    wf_buf_t out;

    wf_buf_init(&out, pool, TEXT_USUAL, SIZE_MAX / 4);
    wf_json_write(&out, v);
    if (len) {
        *len = out.len;
    }
    return out.data;
}
