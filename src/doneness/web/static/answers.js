// Answers side by side: whoever reads them is told when others have come, and is not interrupted.
import { byId, follow } from "./common.js";
import { renewal } from "./swap.js";

const listed = () => byId("listed");
const found = listed()?.innerHTML;
const look = renewal((page) => { byId("newer").hidden = page.getElementById("listed")?.innerHTML === found; }, 3000);
follow(`/api/run/${encodeURIComponent(location.pathname.split("/")[2])}/events`, { verdict: look, reset: look });
