// The account: its clients, codes and ends.

import type { Routes } from "./ctx";

export const routes: Routes = {};
