// Sharing by link: the owner's side.

import type { Routes } from "./ctx";

export const routes: Routes = {};
