// Page C: who asks, who may see what, and Stop.
import type { Routes } from "./ctx";
import { connectView } from "./connect";
import { grantView, grantsView } from "./consent-grants";
import { requestsView } from "./consent-requests";
import { shareView } from "./share";

export const routes: Routes = {
	requests: { view: requestsView, title: "consent.requests.title", tab: "consent" },
	connect: { view: connectView, title: "consent.connect.title", tab: "consent" },
	grants: { view: grantsView, title: "consent.grants.title", tab: "consent" },
	grant: { view: grantView, title: "consent.grant.title", tab: "consent" },
	share: { view: shareView, title: "consent.share.title", tab: "things" },
};
