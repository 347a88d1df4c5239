// My things.

import type { Routes } from "./ctx";
import { page, skeleton } from "./page";

export const routes: Routes = {
	"": { view: (ctx) => page(ctx, { heading: ctx.t("web.things.heading") }, skeleton(ctx, 4)), title: "web.things.heading", tab: "things" },
};
