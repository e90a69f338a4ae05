/**
 * with-parent.mjs — for `node --import`: ends this process, as on SIGTERM, when the process that started it is gone.
 */
import { whenParentIsGone } from '../../scripts/parent.mjs';

whenParentIsGone(process.ppid, () => process.kill(process.pid, 'SIGTERM'));
