// The first run.

import type { Routes } from "./ctx";

export const routes: Routes = {};
