/* Names of this module's directives: as symbols, so that a misspelt one does not compile. */
#ifndef WFF_DIRECTIVES_H
#define WFF_DIRECTIVES_H

#define WFF_BODY_MAX "WflowsFlowBodyMax"
#define WFF_TIMEOUT "WflowsFlowTimeout"
#define WFF_REPEAT_WINDOW "WflowsFlowRepeatWindow"
#define WFF_CALLBACK_ALLOW "WflowsFlowCallbackAllow"
#define WFF_OUTBOX_WORKERS "WflowsFlowOutboxWorkers"
#define WFF_STRIPE_SECRET "WflowsFlowStripeSecret"
#define WFF_BILLING_GRACE "WflowsFlowBillingGrace"
#define WFF_MEDIA_DIR "WflowsFlowMediaDir"
#define WFF_MEDIA_HOST "WflowsFlowMediaHost"
#define WFF_GRAPH_URL "WflowsFlowGraphURL"

#endif
