/* The names of this module's directives: a typo does not compile. */
#ifndef WFA_DIRECTIVES_H
#define WFA_DIRECTIVES_H

#define WFA_BODY_MAX "WflowsAdminBodyMax"
#define WFA_CORS_ORIGIN "WflowsAdminCorsOrigin"
#define WFA_TIMEOUT "WflowsAdminTimeout"

#endif
