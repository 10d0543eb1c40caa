/* The files of openapi.json and the page that shows it, built into the module (support/openapi makes the text). */
#ifndef WFA_DOCS_H
#define WFA_DOCS_H

#include <stddef.h>

typedef struct {
    const char *name; /* NULL ends the list */
    const char *type;
    const char *etag; /* of what it says; without quotes */
    size_t len;
    const char *data;
} wfa_file_t;

extern const wfa_file_t wfa_files[];

#endif
